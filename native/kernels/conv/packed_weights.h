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
  int64_t input_taps;  // taps of each input
  ConvSum sum;
  const float* bias;  // one per output; may be null
};

// Weights and biases of all output blocks. Movable; the blocks point into `bytes`.
struct PackedWeights {
  AlignedBytes bytes;
  size_t byte_count = 0;
  std::vector<ConvBlock> blocks;
};

// Channels that kernels multiply at once: as many as fit in 32 bits.
static inline int64_t channel_group(MapType type) { return 4 / value_bytes(type); }

// Steps over all taps, if a step has up to `channels` channels of one tap.
int64_t count_steps(const ConvSum& sum, int64_t channels);

// Blocks of `block_outputs` outputs, or fewer in the last one. Nothing is packed, and `layout_steps` is 0.
std::vector<ConvBlock> split_outputs(int64_t outputs, int64_t block_outputs);

// The numbers that go with each output; each may be null, which means zeros.
struct PerOutput {
  const float* bias = nullptr;
  const float* scales = nullptr;  // these two are for inputs of type U8 only
  const int32_t* starts = nullptr;
};

// A layout of weights: their size in a block, and what writes them to memory that is zero.
struct WeightLayout {
  std::function<int64_t(const ConvBlock& block)> bytes;
  std::function<void(const ConvBlock& block, std::byte* place)> pack;
};

// Each block's weights, followed by its numbers.
PackedWeights pack_blocks(std::vector<ConvBlock> blocks, const WeightLayout& layout, const PerOutput& numbers);

}  // namespace sparsesr
