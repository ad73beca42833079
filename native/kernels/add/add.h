// Weighted sum of maps with the same stride, followed by the activation.
#pragma once

#include <cstdint>

#include "core/window.h"
#include "kernels/activation.h"

namespace sparsesr {

constexpr int kMaxAddends = 16;

struct AddArgs {
  InputWindow inputs[kMaxAddends];
  float factors[kMaxAddends];
  int input_count;
  Activation activation;
  const float* slopes;  // for kLeakyRelu, one per channel
  int64_t channels;
  Window out;
};
using AddKernel = void(const AddArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
