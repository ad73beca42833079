#include "kernels/conv/tile_weights.h"

#include <algorithm>
#include <type_traits>

#include "core/rounding.h"
#include "kernels/conv/packed_weights.h"
#include "kernels/conv/quantised_weights.h"

namespace sparsesr {
namespace {

static_assert(kTileOutputs == kOutputGranule);  // so that blocks are whole tiles

// A term of the sum: a value of a step.
struct Term {
  int64_t step;
  int64_t value;
};

// The terms of a sum, by tap and channel.
template <typename T>
class Terms {
 public:
  static constexpr int64_t kStepChannels = kRowBytes / static_cast<int64_t>(sizeof(T));

  Terms(const ConvSum& sum, int64_t input_taps) : input_taps_(input_taps) {
    for (size_t tap = 0; tap < sum.tap_channels.size(); ++tap) {
      const int64_t channels = sum.tap_channels[tap];
      first_steps_.push_back(steps_);
      joined_.push_back(std::is_same_v<T, int8_t> && JoinedTaps::suit(channels, input_taps));
      if (!joined_[tap]) {
        steps_ += rounded_up(channels, kStepChannels) / kStepChannels;
      } else if (column_of(tap) == JoinedTaps::kTaps - 1) {
        steps_ += JoinedTaps::of(channels).steps();
      }
    }
  }

  int64_t steps() const { return steps_; }

  Term at(const ConvSum& sum, size_t tap, int64_t channel) const {
    if (!joined_[tap]) return {first_steps_[tap] + channel / kStepChannels, channel % kStepChannels};
    const JoinedTaps joined = JoinedTaps::of(sum.tap_channels[tap]);
    const int64_t value = column_of(tap) * joined.pixel + channel;
    const int64_t step = joined.step_of(value);
    return {first_steps_[tap] + step, value - joined.first_of(step)};
  }

 private:
  int64_t column_of(size_t tap) const { return static_cast<int64_t>(tap) % input_taps_ % JoinedTaps::kTaps; }

  int64_t input_taps_;
  int64_t steps_ = 0;
  std::vector<int64_t> first_steps_;  // per tap
  std::vector<bool> joined_;          // likewise
};

int64_t weight_bytes(const ConvBlock& block) {
  return block.width / kTileOutputs * block.layout_steps * kTileBytes;
}

template <typename T>
T stored(float weight) {
  if constexpr (std::is_same_v<T, int8_t>) return static_cast<int8_t>(weight);  // a whole number
  else return narrow<T>(weight);
}

// Packs one output of a block: a column of its tiles.
template <typename T>
void pack_output(const ConvSum& sum, const Terms<T>& terms, const ConvBlock& block, int64_t output, T* values) {
  constexpr int64_t kTileValues = kTileBytes / static_cast<int64_t>(sizeof(T));
  constexpr int64_t kGroup = 4 / static_cast<int64_t>(sizeof(T));
  const int64_t pass = output / kPassOutputs;
  const int64_t tiles = std::min<int64_t>(kPassTiles, block.width / kTileOutputs - pass * kPassTiles);
  values += pass * kPassTiles * block.layout_steps * kTileValues;
  values += output % kPassOutputs / kTileOutputs * kTileValues + output % kTileOutputs * kGroup;
  for (size_t tap = 0; tap < sum.tap_channels.size(); ++tap) {
    for (int64_t c = 0; c < sum.tap_channels[tap]; ++c) {
      const Term term = terms.at(sum, tap, c);
      const int64_t row = term.value / kGroup * kTileOutputs * kGroup;
      values[term.step * tiles * kTileValues + row + term.value % kGroup] =
          stored<T>(sum.weight_at(block.first + output, tap, c));
    }
  }
}

template <typename T>
PackedWeights pack(int64_t outputs, const ConvSum& sum, int64_t input_taps, const PerOutput& numbers) {
  const Terms<T> terms(sum, input_taps);
  std::vector<ConvBlock> blocks = split_outputs(outputs, kMaxBlockOutputs);
  for (ConvBlock& block : blocks) block.layout_steps = terms.steps();
  const auto pack_block = [&](const ConvBlock& block, std::byte* place) {
    for (int64_t o = 0; o < block.valid; ++o) pack_output(sum, terms, block, o, reinterpret_cast<T*>(place));
  };
  return pack_blocks(std::move(blocks), {weight_bytes, pack_block}, numbers);
}

template <typename T>
bool suits_tiles(const ConvWeights& weights) {
  return Terms<T>(weights.sum, weights.input_taps).steps() <= kMaxTileSteps;
}

}  // namespace

bool suits_bf16_tiles(const ConvWeights& weights) { return suits_tiles<Bf16>(weights); }
bool suits_int8_tiles(const ConvWeights& weights) { return suits_tiles<int8_t>(weights); }

PackedWeights pack_bf16_tiles(const ConvWeights& weights) {
  return pack<Bf16>(weights.outputs, weights.sum, weights.input_taps, {weights.bias});
}

PackedWeights pack_int8_tiles(const ConvWeights& weights) {
  const QuantisedWeights quantised(weights);
  const PerOutput numbers{weights.bias, quantised.scales().data(), quantised.starts().data()};
  return pack<int8_t>(weights.outputs, quantised.sum(), weights.input_taps, numbers);
}

}  // namespace sparsesr
