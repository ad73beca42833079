// Convolution weights: as they come, and in the order in which kernels read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/aligned_bytes.h"
#include "kernels/conv/conv.h"

namespace sparsesr {

// What an output is the sum of: for each tap of each input, in order, its channels.
struct ConvSum {
  std::vector<int64_t> tap_channels;
  std::function<float(int64_t output, size_t tap, int64_t channel)> weight_at;
};

struct ConvWeights {
  MapType in;  // type of the inputs
  int64_t outputs;
  ConvSum sum;
  const float* bias;  // one per output; may be null
};

// Weights and biases of all blocks of outputs. Movable; the blocks point into `bytes`.
struct PackedWeights {
  AlignedBytes bytes;
  size_t byte_count = 0;
  std::vector<ConvBlock> blocks;
};

}  // namespace sparsesr
