#include "kernels/conv/vector_weights.h"

#include <algorithm>
#include <type_traits>

#include "core/rounding.h"
#include "kernels/conv/packed_weights.h"
#include "kernels/conv/quantised_weights.h"

namespace sparsesr {
namespace {

struct Layout {
  MapType type;
  int64_t tile_outputs;   // outputs per block
  int64_t lane_channels;  // channels per vector, 0 if the kernel does not support that layout
};

// True if channels should be in the lanes. Costs are multiply-adds per pixel: summing sixteen lanes costs about three,
// and because it has less work per pixel, this layout does in five cycles what the other does in four (measured with 64
// channels and 16 outputs, where both use all lanes).
bool channels_in_lanes(const Layout& layout, const ConvBlock& block, const ConvSum& sum) {
  constexpr double kLanesToAdd = 3.25;
  constexpr double kSlower = 1.25;
  if (layout.lane_channels == 0) return false;
  const double per_output = static_cast<double>(count_steps(sum, layout.lane_channels)) + kLanesToAdd;
  const double vectors = static_cast<double>(block.width / kOutputGranule);
  const double outputs_in_lanes = vectors * static_cast<double>(count_steps(sum, channel_group(layout.type)));
  return kSlower * per_output * static_cast<double>(block.valid) < outputs_in_lanes;
}

// Packs a block's weights, one call per tap and output.
template <typename T>
class Packer {
 public:
  Packer(const ConvSum& sum, const ConvBlock& block, T* values) : sum_(sum), block_(block), values_(values) {}

  void outputs_in_lanes(int64_t group) {
    int64_t first_step = 0;
    for (size_t tap = 0; tap < sum_.tap_channels.size(); ++tap) {
      for (int64_t c = 0; c < sum_.tap_channels[tap]; ++c) {
        for (int64_t o = 0; o < block_.valid; ++o) {
          values_[((first_step + c / group) * block_.width + o) * group + c % group] = weight(o, tap, c);
        }
      }
      first_step += rounded_up(sum_.tap_channels[tap], group) / group;
    }
  }

  void channels_in_lanes(int64_t lanes) {
    for (int64_t o = 0; o < block_.valid; ++o) {
      const int64_t quad = o / kQuad * kQuad;
      const int64_t together = std::min<int64_t>(kQuad, block_.valid - quad);
      int64_t step = 0;
      for (size_t tap = 0; tap < sum_.tap_channels.size(); ++tap) {
        for (int64_t c = 0; c < sum_.tap_channels[tap]; ++c) {
          const int64_t vector = quad * block_.layout_steps + (step + c / lanes) * together + o - quad;
          values_[vector * lanes + c % lanes] = weight(o, tap, c);
        }
        step += rounded_up(sum_.tap_channels[tap], lanes) / lanes;
      }
    }
  }

 private:
  T weight(int64_t o, size_t tap, int64_t c) const {
    const float value = sum_.weight_at(block_.first + o, tap, c);
    if constexpr (std::is_same_v<T, int8_t>) return static_cast<int8_t>(value);  // a whole number
    else return narrow<T>(value);
  }

  const ConvSum& sum_;
  const ConvBlock& block_;
  T* values_;
};

template <typename T>
void pack_block(const Layout& layout, const ConvSum& sum, const ConvBlock& block, std::byte* place) {
  Packer<T> packer(sum, block, reinterpret_cast<T*>(place));
  if (block.layout_steps > 0) {
    packer.channels_in_lanes(layout.lane_channels);
  } else {
    packer.outputs_in_lanes(channel_group(layout.type));
  }
}

int64_t weight_bytes(const Layout& layout, const ConvSum& sum, const ConvBlock& block) {
  const int64_t group = channel_group(layout.type);
  const int64_t values = block.layout_steps > 0 ? block.layout_steps * layout.lane_channels * block.valid
                                              : count_steps(sum, group) * group * block.width;
  return values * value_bytes(layout.type);
}

std::vector<ConvBlock> make_blocks(const Layout& layout, int64_t outputs, const ConvSum& sum) {
  std::vector<ConvBlock> blocks = split_outputs(outputs, layout.tile_outputs);
  for (ConvBlock& block : blocks) {
    if (channels_in_lanes(layout, block, sum)) block.layout_steps = count_steps(sum, layout.lane_channels);
  }
  return blocks;
}

template <typename T>
PackedWeights pack(const Layout& layout, int64_t outputs, const ConvSum& sum, const PerOutput& numbers) {
  const WeightLayout blocks{
      [&](const ConvBlock& block) { return weight_bytes(layout, sum, block); },
      [&](const ConvBlock& block, std::byte* place) { pack_block<T>(layout, sum, block, place); },
  };
  return pack_blocks(make_blocks(layout, outputs, sum), blocks, numbers);
}

}  // namespace

template <typename T, int kTileOutputs, int kLaneChannels>
PackedWeights pack_vectors(const ConvWeights& weights) {
  const Layout layout{weights.in, kTileOutputs, kLaneChannels};
  if constexpr (std::is_same_v<T, int8_t>) {
    const QuantisedWeights quantised(weights);
    const PerOutput numbers{weights.bias, quantised.scales().data(), quantised.starts().data()};
    return pack<T>(layout, weights.outputs, quantised.sum(), numbers);
  } else {
    return pack<T>(layout, weights.outputs, weights.sum, {weights.bias});
  }
}

template PackedWeights pack_vectors<float, 16, 0>(const ConvWeights&);
template PackedWeights pack_vectors<float, 64, 16>(const ConvWeights&);
template PackedWeights pack_vectors<Bf16, 16, 0>(const ConvWeights&);
template PackedWeights pack_vectors<Bf16, 64, 32>(const ConvWeights&);
template PackedWeights pack_vectors<int8_t, 16, 0>(const ConvWeights&);
template PackedWeights pack_vectors<int8_t, 32, 0>(const ConvWeights&);

}  // namespace sparsesr
