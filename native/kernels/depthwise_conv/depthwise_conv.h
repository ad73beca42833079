// Depthwise 3x3 convolution: every channel is convolved with a kernel of its own.
#pragma once

#include <cstdint>

#include "core/window.h"
#include "kernels/activation.h"

namespace sparsesr {

constexpr int64_t kDepthwiseTaps = 9;

// Zero columns and rows surround the image, so no tap is tested for borders.
template <typename T>
struct DepthwiseConvArgsOf {
  WindowOf<const T> x;
  WindowOf<T> out;
  const float* weights;  // [3 * row + column][out.stride]; zero beyond the channels, like the bias
  const float* bias;     // [out.stride]
  Activation activation;
  const float* slopes;  // [out.stride], for kLeakyRelu
};
template <typename T>
using DepthwiseConvKernelOf = void(const DepthwiseConvArgsOf<T>& args, int64_t begin, int64_t end);

}  // namespace sparsesr
