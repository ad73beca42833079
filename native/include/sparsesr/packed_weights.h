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

// Channels that a kernel multiplies at once: those of a pair in bf16.
inline int64_t channel_group(MapType type) { return type == MapType::kBf16 ? 2 : 1; }

// weight_at(o, k): weight of output o at step k of the sum, k counting inputs, taps and channels in the order in
// which they are packed. `steps` is a multiple of the channel group of `type`. `bias` may be null. Blocks are up
// to `tile_outputs` wide.
PackedWeights pack_weights(MapType type, int64_t outputs, int64_t steps, int64_t tile_outputs,
                           const float* bias, const std::function<float(int64_t o, int64_t k)>& weight_at);

}  // namespace sparsesr
