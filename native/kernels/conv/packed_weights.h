// Convolution weights, as passed in and as packed for the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/aligned_bytes.h"
#include "kernels/conv/conv.h"

namespace sparsesr {

// Terms of one output's sum: the channels of each tap of each input, in order.
struct ConvSum {
  std::vector<int64_t> tap_channels;
  std::vector<int32_t> tap_zeros;  // of U8 inputs: the value that stands for zero; otherwise empty
  std::function<float(int64_t output, size_t tap, int64_t channel)> weight_at;
};

struct ConvWeights {
  MapType in;  // type of the inputs
  int64_t outputs;
  ConvSum sum;
  const float* bias;  // one per output; may be null
};

// Weights and biases of all output blocks. Movable; the blocks point into `bytes`.
struct PackedWeights {
  AlignedBytes bytes;
  size_t byte_count = 0;
  std::vector<ConvBlock> blocks;
};

}  // namespace sparsesr
