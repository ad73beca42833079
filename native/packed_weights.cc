#include "sparsesr/packed_weights.h"

#include <algorithm>

namespace sparsesr {
namespace {

void pack_block(ConvBlock& block, int64_t steps, const float* bias,
                const std::function<float(int64_t, int64_t)>& weight_at, float* values) {
  block.weights = values;
  block.bias = values + steps * block.width;
  for (int64_t k = 0; k < steps; ++k) {
    for (int64_t o = 0; o < block.valid; ++o) values[k * block.width + o] = weight_at(block.first + o, k);
  }
  if (bias != nullptr) std::copy_n(bias + block.first, block.valid, values + steps * block.width);
}

}  // namespace

PackedWeights pack_weights(int64_t outputs, int64_t steps, int64_t tile_outputs, const float* bias,
                           const std::function<float(int64_t o, int64_t k)>& weight_at) {
  const int64_t padded = (outputs + kOutputGranule - 1) / kOutputGranule * kOutputGranule;
  PackedWeights packed;
  packed.value_count = static_cast<size_t>(padded * (steps + 1));
  packed.values.reset(new (kVectorAlignment) float[packed.value_count]());
  float* values = packed.values.get();
  for (int64_t first = 0; first < padded; first += tile_outputs) {
    ConvBlock block{};
    block.first = first;
    block.width = std::min(tile_outputs, padded - first);
    block.valid = std::min(block.width, outputs - first);
    block.is_last = first + block.width == padded;
    pack_block(block, steps, bias, weight_at, values);
    values += (steps + 1) * block.width;
    packed.blocks.push_back(block);
  }
  return packed;
}

}  // namespace sparsesr
