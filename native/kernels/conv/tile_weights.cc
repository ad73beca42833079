#include "kernels/conv/tile_weights.h"

#include <algorithm>

#include "core/rounding.h"
#include "kernels/conv/packed_weights.h"

namespace sparsesr {
namespace {

static_assert(kTileOutputs == kOutputGranule);  // so that blocks are whole tiles
constexpr int64_t kBlockOutputs = 64;  // the pixels of a tile stay in L1 between its passes

std::vector<ConvBlock> make_blocks(const ConvWeights& weights) {
  std::vector<ConvBlock> blocks = split_outputs(weights.outputs, kBlockOutputs);
  for (ConvBlock& block : blocks) block.layout_steps = count_steps(weights.sum, kTileChannels);
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
    values += rounded_up(sum.tap_channels[tap], kTileChannels) / kTileChannels * tiles * kTileValues;
  }
}

}  // namespace

bool suits_tiles(const ConvWeights& weights) { return count_steps(weights.sum, kTileChannels) <= kMaxTileSteps; }

PackedWeights pack_tiles(const ConvWeights& weights) {
  const auto pack = [&](const ConvBlock& block, std::byte* place) {
    for (int64_t o = 0; o < block.valid; ++o) pack_output(weights.sum, block, o, reinterpret_cast<Bf16*>(place));
  };
  return pack_blocks(make_blocks(weights), {weight_bytes, pack}, {weights.bias});
}

}  // namespace sparsesr
