// Convolution weights in the order in which a kernel reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <vector>

#include "sparsesr/kernel_types.h"

namespace sparsesr {

constexpr std::align_val_t kVectorAlignment{64};

struct AlignedDelete {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, kVectorAlignment); }
};

// Weights and biases of all blocks of outputs. Movable; the blocks point into `bytes`.
struct PackedWeights {
  std::unique_ptr<std::byte[], AlignedDelete> bytes;
  size_t byte_count = 0;
  std::vector<ConvBlock> blocks;
};

// What an output is the sum of: for each tap of each input, in order, its channels.
struct Sum {
  std::vector<int64_t> tap_channels;
  std::function<float(int64_t output, size_t tap, int64_t channel)> weight_at;
};

// What the kernel of an instruction set wants.
struct PackingRules {
  MapType type;
  int64_t tile_outputs;   // outputs of a block
  int64_t lane_channels;  // channels in the lanes of a vector, 0 if the kernel does not know that form
};

// `bias` may be null. Of the two forms of a block that is chosen which costs less.
PackedWeights pack_weights(const PackingRules& rules, int64_t outputs, const Sum& sum, const float* bias);

}  // namespace sparsesr
