#include "kernels/conv/tile_weights.h"

#include <algorithm>

#include "kernels/conv/packed_weights.h"

namespace sparsesr {
namespace {

constexpr int64_t kBlockOutputs = 64;  // the pixels of a tile stay in L1 between its passes

int64_t steps_of(int64_t channels) { return (channels + kTileChannels - 1) / kTileChannels; }

int64_t count_steps(const ConvSum& sum) {
  int64_t steps = 0;
  for (const int64_t channels : sum.tap_channels) steps += steps_of(channels);
  return steps;
}

std::vector<ConvBlock> make_blocks(int64_t outputs, int64_t steps) {
  const int64_t padded = (outputs + kTileOutputs - 1) / kTileOutputs * kTileOutputs;
  std::vector<ConvBlock> blocks;
  for (int64_t first = 0; first < padded; first += kBlockOutputs) {
    ConvBlock block{};
    block.first = first;
    block.width = std::min(kBlockOutputs, padded - first);
    block.valid = std::min(block.width, outputs - first);
    block.layout_steps = steps;
    block.is_last = first + block.width == padded;
    blocks.push_back(block);
  }
  return blocks;
}

int64_t weight_bytes(const ConvBlock& block) {
  return block.width / kTileOutputs * block.layout_steps * kTileBytes;
}

// Packs one output of a block: every second value in a column of its tiles, pair by pair.
void pack_output(const ConvSum& sum, const ConvBlock& block, int64_t output, Bf16* values) {
  constexpr int64_t kTileValues = kTileBytes / sizeof(Bf16);
  const int64_t pass = output / kPassOutputs;
  const int64_t tiles = std::min<int64_t>(kPassTiles, block.width / kTileOutputs - pass * kPassTiles);
  values += pass * kPassTiles * block.layout_steps * kTileValues;
  values += output % kPassOutputs / kTileOutputs * kTileValues + output % kTileOutputs * 2;
  for (size_t tap = 0; tap < sum.tap_channels.size(); ++tap) {
    for (int64_t c = 0; c < sum.tap_channels[tap]; ++c) {
      const int64_t within = c % kTileChannels;
      values[c / kTileChannels * tiles * kTileValues + within / 2 * kTileOutputs * 2 + within % 2] =
          narrow<Bf16>(sum.weight_at(block.first + output, tap, c));
    }
    values += steps_of(sum.tap_channels[tap]) * tiles * kTileValues;
  }
}

}  // namespace

bool suits_tiles(const ConvWeights& weights) { return count_steps(weights.sum) <= kMaxTileSteps; }

PackedWeights pack_tiles(const ConvWeights& weights) {
  PackedWeights packed;
  packed.blocks = make_blocks(weights.outputs, count_steps(weights.sum));
  for (const ConvBlock& block : packed.blocks) {
    packed.byte_count += static_cast<size_t>(weight_bytes(block)) + static_cast<size_t>(block.width) * sizeof(float);
  }
  packed.bytes = aligned_zeros(packed.byte_count);
  std::byte* place = packed.bytes.get();
  for (ConvBlock& block : packed.blocks) {
    block.weights = place;
    for (int64_t o = 0; o < block.valid; ++o) pack_output(weights.sum, block, o, reinterpret_cast<Bf16*>(place));
    place += weight_bytes(block);
    auto* biases = reinterpret_cast<float*>(place);
    block.bias = biases;
    if (weights.bias != nullptr) std::copy_n(weights.bias + block.first, block.valid, biases);
    place += block.width * static_cast<int64_t>(sizeof(float));
  }
  return packed;
}

}  // namespace sparsesr
