// Weighted sum of maps with the same stride, followed by the activation.
#pragma once

#include <cstdint>

#include "core/window.h"
#include "kernels/activation.h"

namespace sparsesr {

constexpr int kMaxAddends = 16;

template <typename T>
struct AddArgsOf {
  WindowOf<const T> inputs[kMaxAddends];
  float factors[kMaxAddends];
  int input_count;
  Activation activation;
  const float* slopes;  // for kLeakyRelu, one per channel
  int64_t channels;
  WindowOf<T> out;
};
template <typename T>
using AddKernelOf = void(const AddArgsOf<T>& args, int64_t begin, int64_t end);

}  // namespace sparsesr
