#include "kernels/balanced_conv/balanced_weights.h"

#include <algorithm>

#include "core/rounding.h"
#include "kernels/conv/packed_weights.h"

namespace sparsesr {
namespace {

// Nonzero weights of one output in the block of `lanes` inputs from channel `first` of a tap.
int64_t count_kept(const ConvSum& sum, int64_t output, size_t tap, int64_t first, int64_t lanes) {
  int64_t kept = 0;
  for (int64_t c = first; c < first + lanes; ++c) kept += sum.weight_at(output, tap, c) != 0.0f;
  return kept;
}

// Most weights that a record of these outputs keeps, at least 1; counting ends above `limit`.
int64_t most_kept(const ConvSum& sum, int64_t first_output, int64_t end_output, int64_t lanes, int64_t limit) {
  int64_t most = 1;
  for (int64_t o = first_output; o < end_output; ++o) {
    for (size_t tap = 0; tap < sum.tap_channels.size(); ++tap) {
      for (int64_t c = 0; c < sum.tap_channels[tap]; c += lanes) {
        most = std::max(most, count_kept(sum, o, tap, c, lanes));
        if (most > limit) return most;
      }
    }
  }
  return most;
}

bool has_whole_blocks(const ConvSum& sum, int64_t lanes) {
  return std::all_of(sum.tap_channels.begin(), sum.tap_channels.end(),
                     [lanes](int64_t channels) { return channels % lanes == 0; });
}

// Packs one vector of outputs.
template <int kLanes>
class Packer {
 public:
  Packer(const ConvSum& sum, int64_t kept, int64_t first_output, int64_t valid)
      : sum_(sum), kept_(kept), first_output_(first_output), valid_(valid) {}

  // Returns the end of the packed weights.
  std::byte* pack(std::byte* place) const {
    for (size_t tap = 0; tap < sum_.tap_channels.size(); ++tap) {
      const int64_t records = sum_.tap_channels[tap] / kLanes;
      auto* const values = reinterpret_cast<float*>(place);
      auto* const positions = reinterpret_cast<uint8_t*>(values + records * kept_ * kLanes);
      for (int64_t record = 0; record < records; ++record) {
        pack_record(tap, record, values + record * kept_ * kLanes,
                    positions + position_offset<kLanes>(record, kept_));
      }
      place += tap_bytes<kLanes>(sum_.tap_channels[tap], kept_);
    }
    return place;
  }

 private:
  void pack_record(size_t tap, int64_t record, float* values, uint8_t* positions) const {
    for (int64_t lane = 0; lane < valid_; ++lane) {
      int64_t step = 0;
      for (int64_t position = 0; position < kLanes; ++position) {
        const float weight = sum_.weight_at(first_output_ + lane, tap, record * kLanes + position);
        if (weight == 0.0f) continue;
        values[step * kLanes + lane] = weight;
        positions[4 * lane + step / 2] |= static_cast<uint8_t>(position << step % 2 * 4);
        ++step;
      }
    }
  }

  const ConvSum& sum_;
  int64_t kept_;
  int64_t first_output_;
  int64_t valid_;
};

template <int kLanes, int kVectors>
std::vector<ConvBlock> make_blocks(const ConvWeights& weights) {
  std::vector<ConvBlock> blocks = split_outputs(weights.outputs, kVectors * kLanes);
  for (ConvBlock& block : blocks) {
    block.layout_steps = most_kept(weights.sum, block.first, block.first + block.valid, kLanes, max_kept(kLanes));
  }
  return blocks;
}

template <int kLanes>
void pack_block(const ConvSum& sum, const ConvBlock& block, std::byte* place) {
  for (int64_t first = 0; first < block.width; first += kLanes) {
    const int64_t valid = std::clamp<int64_t>(block.valid - first, 0, kLanes);
    place = Packer<kLanes>(sum, block.layout_steps, block.first + first, valid).pack(place);
  }
}

template <int kLanes>
int64_t weight_bytes(const ConvSum& sum, const ConvBlock& block) {
  int64_t bytes = 0;
  for (const int64_t channels : sum.tap_channels) bytes += tap_bytes<kLanes>(channels, block.layout_steps);
  return bytes * block.width / kLanes;
}

}  // namespace

template <int kLanes, int kVectors>
PackedWeights pack_balanced(const ConvWeights& weights) {
  // Loads that start inside the last word of positions end among the biases, which follow.
  const WeightLayout layout{
      [&](const ConvBlock& block) { return weight_bytes<kLanes>(weights.sum, block); },
      [&](const ConvBlock& block, std::byte* place) { pack_block<kLanes>(weights.sum, block, place); },
  };
  return pack_blocks(make_blocks<kLanes, kVectors>(weights), layout, {weights.bias});
}

template <int kLanes>
bool suits_balanced(const ConvWeights& weights) {
  if (!has_whole_blocks(weights.sum, kLanes)) return false;
  // In cycles for a block of kLanes inputs at one tap, on processors with two multiply-adds but one permutation per
  // cycle; the dense layout may instead have the inputs in the lanes (vector_weights.cc), which costs a quarter more.
  const auto outputs = static_cast<double>(weights.outputs);
  const auto vectors = static_cast<double>(rounded_up(weights.outputs, kOutputGranule) / kLanes);
  const double dense = std::min(vectors * kLanes / 2, 1.25 * outputs / 2);
  const auto limit = std::min<int64_t>(static_cast<int64_t>(0.9 * dense / vectors), max_kept(kLanes));
  return limit >= 1 && most_kept(weights.sum, 0, weights.outputs, kLanes, limit) <= limit;
}

template PackedWeights pack_balanced<8, 2>(const ConvWeights&);
template PackedWeights pack_balanced<16, 4>(const ConvWeights&);
template bool suits_balanced<8>(const ConvWeights&);
template bool suits_balanced<16>(const ConvWeights&);

}  // namespace sparsesr
