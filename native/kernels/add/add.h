// Sum of maps of the same stride, each times a factor, then the activation.
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
  const float* slopes;  // of kLeakyRelu, one per channel
  int64_t channels;
  Window out;
};
using AddKernel = void(const AddArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
