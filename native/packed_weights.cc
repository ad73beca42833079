#include "sparsesr/packed_weights.h"

#include <algorithm>

#include "sparsesr/bf16.h"

namespace sparsesr {
namespace {

using WeightAt = std::function<float(int64_t o, int64_t k)>;

// Weights as [group of channels][output][channel of the group].
template <typename T>
void pack_block(const ConvBlock& block, int64_t steps, int64_t group, const WeightAt& weight_at, T* values) {
  for (int64_t k = 0; k < steps; ++k) {
    for (int64_t o = 0; o < block.valid; ++o) {
      values[(k / group * block.width + o) * group + k % group] = narrow<T>(weight_at(block.first + o, k));
    }
  }
}

}  // namespace

PackedWeights pack_weights(MapType type, int64_t outputs, int64_t steps, int64_t tile_outputs,
                           const float* bias, const WeightAt& weight_at) {
  const int64_t padded = (outputs + kOutputGranule - 1) / kOutputGranule * kOutputGranule;
  const int64_t output_bytes = steps * value_bytes(type) + static_cast<int64_t>(sizeof(float));
  PackedWeights packed;
  packed.byte_count = static_cast<size_t>(padded * output_bytes);
  packed.bytes.reset(new (kVectorAlignment) std::byte[packed.byte_count]());
  std::byte* place = packed.bytes.get();
  for (int64_t first = 0; first < padded; first += tile_outputs) {
    ConvBlock block{};
    block.first = first;
    block.width = std::min(tile_outputs, padded - first);
    block.valid = std::min(block.width, outputs - first);
    block.is_last = first + block.width == padded;
    block.weights = place;
    auto* biases = reinterpret_cast<float*>(place + steps * block.width * value_bytes(type));
    block.bias = biases;
    if (type == MapType::kBf16) {
      pack_block(block, steps, channel_group(type), weight_at, reinterpret_cast<Bf16*>(place));
    } else {
      pack_block(block, steps, channel_group(type), weight_at, reinterpret_cast<float*>(place));
    }
    if (bias != nullptr) std::copy_n(bias + first, block.valid, biases);
    place += output_bytes * block.width;
    packed.blocks.push_back(block);
  }
  return packed;
}

}  // namespace sparsesr
