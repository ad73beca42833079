#include "kernels/balanced_conv/balanced_weights.h"

#include <algorithm>
#include <type_traits>

#include "core/rounding.h"
#include "kernels/conv/packed_weights.h"
#include "kernels/conv/quantised_weights.h"

namespace sparsesr {
namespace {

// Nonzero weights of one output in the block of inputs from channel `first` of a tap.
int64_t count_kept(const ConvSum& sum, int64_t output, size_t tap, int64_t first, int64_t block) {
  int64_t kept = 0;
  for (int64_t c = first; c < first + block; ++c) kept += sum.weight_at(output, tap, c) != 0.0f;
  return kept;
}

// Most steps that a record of these outputs needs, at least 1; counting ends above `limit`.
template <typename Format>
int64_t most_steps(const ConvSum& sum, int64_t first_output, int64_t end_output, int64_t limit) {
  int64_t most = 1;
  for (int64_t o = first_output; o < end_output; ++o) {
    for (size_t tap = 0; tap < sum.tap_channels.size(); ++tap) {
      for (int64_t c = 0; c < sum.tap_channels[tap]; c += Format::kBlock) {
        const int64_t kept = count_kept(sum, o, tap, c, Format::kBlock);
        most = std::max(most, rounded_up(kept, Format::kValues) / Format::kValues);
        if (most > limit) return most;
      }
    }
  }
  return most;
}

bool has_whole_blocks(const ConvSum& sum, int64_t block) {
  return std::all_of(sum.tap_channels.begin(), sum.tap_channels.end(),
                     [block](int64_t channels) { return channels % block == 0; });
}

template <typename Weight>
Weight converted(float weight) {
  if constexpr (std::is_same_v<Weight, int8_t>) return static_cast<int8_t>(weight);  // a whole number
  else return narrow<Weight>(weight);
}

// Packs one vector of outputs.
template <typename Format>
class Packer {
 public:
  using Weight = typename Format::Weight;

  Packer(const ConvSum& sum, int64_t steps, int64_t first_output, int64_t valid)
      : sum_(sum), steps_(steps), first_output_(first_output), valid_(valid) {}

  // Returns the end of the packed weights.
  std::byte* pack(std::byte* place) const {
    for (size_t tap = 0; tap < sum_.tap_channels.size(); ++tap) {
      const int64_t channels = sum_.tap_channels[tap];
      auto* const positions = reinterpret_cast<uint8_t*>(place + Format::value_bytes(channels, steps_));
      for (int64_t record = 0; record < channels / Format::kBlock; ++record) {
        auto* const values = reinterpret_cast<Weight*>(place + record * steps_ * Format::kVectorBytes);
        for (int64_t lane = 0; lane < valid_; ++lane) {
          pack_lane(tap, record, lane, values, positions);
        }
      }
      place += Format::tap_bytes(channels, steps_);
    }
    return place;
  }

 private:
  void pack_lane(size_t tap, int64_t record, int64_t lane, Weight* values, uint8_t* positions) const {
    constexpr int kBits = 8 / Format::kStepsPerByte;
    int64_t kept = 0;
    for (int64_t position = 0; position < Format::kBlock; ++position) {
      const float weight = sum_.weight_at(first_output_ + lane, tap, record * Format::kBlock + position);
      if (weight == 0.0f) continue;
      const int64_t step = kept / Format::kValues;
      const int64_t word = lane * Format::kValues + kept % Format::kValues;
      values[step * Format::kBlock + word] = converted<Weight>(weight);
      const int64_t byte = record * Format::position_bytes(steps_) + step / Format::kStepsPerByte;
      positions[Format::position_offset(byte) + word * Format::kValueBytes] |=
          static_cast<uint8_t>(position << step % Format::kStepsPerByte * kBits);
      ++kept;
    }
  }

  const ConvSum& sum_;
  int64_t steps_;
  int64_t first_output_;
  int64_t valid_;
};

template <typename Format, int kLanes>
void pack_block(const ConvSum& sum, const ConvBlock& block, std::byte* place) {
  for (int64_t first = 0; first < block.width; first += kLanes) {
    const int64_t valid = std::clamp<int64_t>(block.valid - first, 0, kLanes);
    place = Packer<Format>(sum, block.layout_steps, block.first + first, valid).pack(place);
  }
}

template <typename Format>
int64_t vector_bytes(const ConvSum& sum, const ConvBlock& block) {
  int64_t bytes = 0;
  for (const int64_t channels : sum.tap_channels) bytes += Format::tap_bytes(channels, block.layout_steps);
  return bytes;
}

template <typename Format, int kLanes, int kVectors>
PackedWeights pack(int64_t outputs, const ConvSum& sum, const PerOutput& numbers) {
  std::vector<ConvBlock> blocks = split_outputs(outputs, kVectors * kLanes);
  for (ConvBlock& block : blocks) {
    block.layout_steps = most_steps<Format>(sum, block.first, block.first + block.valid, Format::kMostSteps);
  }
  // Loads that start inside the last word of positions end among the biases, which follow.
  const WeightLayout layout{
      [&](const ConvBlock& block) { return vector_bytes<Format>(sum, block) * block.width / kLanes; },
      [&](const ConvBlock& block, std::byte* place) { pack_block<Format, kLanes>(sum, block, place); },
  };
  return pack_blocks(std::move(blocks), layout, numbers);
}

}  // namespace

template <typename Input, int kLanes, int kVectors>
PackedWeights pack_balanced(const ConvWeights& weights) {
  using Format = BalancedFormat<Input, kLanes>;
  if constexpr (std::is_same_v<Input, U8>) {
    const QuantisedWeights quantised(weights);
    const PerOutput numbers{weights.bias, quantised.scales().data(), quantised.starts().data()};
    return pack<Format, kLanes, kVectors>(weights.outputs, quantised.sum(), numbers);
  } else {
    return pack<Format, kLanes, kVectors>(weights.outputs, weights.sum, {weights.bias});
  }
}

template <typename Input, int kLanes, Permutes kPermutes>
bool suits_balanced(const ConvWeights& weights) {
  using Format = BalancedFormat<Input, kLanes>;
  if (!has_whole_blocks(weights.sum, Format::kBlock)) return false;
  // In multiply-adds for a block of inputs at one tap; the dense layout may instead have the inputs in the lanes
  // (vector_weights.cc), which costs a quarter more.
  constexpr double kPermuted = kPermutes == Permutes::kTwoPorts ? 4.0 / 3 : 2.15;
  constexpr double kAdvantage = 0.9;  // of the larger share of the peak that dense kernels reach
  const auto outputs = static_cast<double>(weights.outputs);
  const auto vectors = static_cast<double>(rounded_up(weights.outputs, kOutputGranule) / kLanes);
  const double dense = std::min(vectors * kLanes, 1.25 * outputs);
  const auto limit = static_cast<int64_t>(kAdvantage * dense / (vectors * kPermuted));
  if (limit < 1) return false;
  const int64_t most = std::min<int64_t>(limit, Format::kMostSteps);
  return most_steps<Format>(weights.sum, 0, weights.outputs, most) <= most;
}

template PackedWeights pack_balanced<float, 8, 2>(const ConvWeights&);
template PackedWeights pack_balanced<float, 16, 4>(const ConvWeights&);
template PackedWeights pack_balanced<Bf16, 16, 4>(const ConvWeights&);
template PackedWeights pack_balanced<U8, 16, 4>(const ConvWeights&);
template bool suits_balanced<float, 8, Permutes::kOnePort>(const ConvWeights&);
template bool suits_balanced<float, 16, Permutes::kOnePort>(const ConvWeights&);
template bool suits_balanced<float, 16, Permutes::kTwoPorts>(const ConvWeights&);
template bool suits_balanced<Bf16, 16, Permutes::kTwoPorts>(const ConvWeights&);
template bool suits_balanced<U8, 16, Permutes::kTwoPorts>(const ConvWeights&);

}  // namespace sparsesr
