// Selection of the active pixels by a transposed 3x3 convolution (stride 2, padding 1, output padding 1) to two logits:
// of each pixel, only the difference of the logits is computed.
#pragma once

#include <cstdint>

#include "core/pixel_bits.h"
#include "core/window.h"

namespace sparsesr {

constexpr int64_t kMaskLanes = 16;  // channels summed side by side; divides `channels`

template <typename T>
struct UpsampledMaskArgsOf {
  WindowOf<const T> x;
  int64_t x_height;
  const float* weights;  // [3 * row + column of the kernel][channels], of logit 1 minus logit 0
  int64_t channels;
  float bias;            // likewise
  PixelBits active;      // of twice the size; a pixel is active if its difference is above zero
};
template <typename T>
using UpsampledMaskKernelOf = void(const UpsampledMaskArgsOf<T>& args, int64_t begin, int64_t end);

}  // namespace sparsesr
