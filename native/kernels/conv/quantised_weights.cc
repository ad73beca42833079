#include "kernels/conv/quantised_weights.h"

#include <algorithm>
#include <cmath>

namespace sparsesr {
namespace {

constexpr float kLargest = 127.0f;
constexpr float kLargestPair = 127.5f;  // rounded, at most 128 steps: 255 times as much fits in 16 bits

float largest_weight(const ConvSum& sum, int64_t output) {
  float largest = 0.0f;
  for (size_t tap = 0; tap < sum.tap_channels.size(); ++tap) {
    for (int64_t c = 0; c < sum.tap_channels[tap]; ++c) {
      largest = std::max(largest, std::abs(sum.weight_at(output, tap, c)));
    }
  }
  return largest;
}

// The largest sum of weights of one sign in the pairs of channels whose products may be added in 16 bits.
float largest_pair(const ConvSum& sum, int64_t output) {
  float largest = 0.0f;
  for (size_t tap = 0; tap < sum.tap_channels.size(); ++tap) {
    for (int64_t c = 0; c + 1 < sum.tap_channels[tap]; c += 2) {
      const float one = sum.weight_at(output, tap, c);
      const float other = sum.weight_at(output, tap, c + 1);
      if ((one > 0.0f) == (other > 0.0f)) largest = std::max(largest, std::abs(one + other));
    }
  }
  return largest;
}

}  // namespace

QuantisedWeights::QuantisedWeights(const ConvWeights& weights)
    : tap_channels_(weights.sum.tap_channels),
      scales_(static_cast<size_t>(weights.outputs)),
      starts_(static_cast<size_t>(weights.outputs)) {
  for (const int64_t channels : tap_channels_) {
    tap_places_.push_back(terms_);
    terms_ += static_cast<size_t>(channels);
  }
  values_.resize(static_cast<size_t>(weights.outputs) * terms_);
  for (int64_t o = 0; o < weights.outputs; ++o) quantise(o, weights.sum);
}

void QuantisedWeights::quantise(int64_t output, const ConvSum& sum) {
  const auto o = static_cast<size_t>(output);
  const float scale = scales_[o] =
      std::max(largest_weight(sum, output) / kLargest, largest_pair(sum, output) / kLargestPair);
  if (scale == 0.0f) return;
  int8_t* value = values_.data() + o * terms_;
  for (size_t tap = 0; tap < tap_channels_.size(); ++tap) {
    for (int64_t c = 0; c < tap_channels_[tap]; ++c, ++value) {
      const float steps = std::nearbyint(sum.weight_at(output, tap, c) / scale);
      *value = static_cast<int8_t>(std::clamp(steps, -kLargest, kLargest));
      starts_[o] -= sum.tap_zeros[tap] * *value;
    }
  }
}

ConvSum QuantisedWeights::sum() const {
  const auto value_at = [this](int64_t output, size_t tap, int64_t channel) {
    return static_cast<float>(
        values_[static_cast<size_t>(output) * terms_ + tap_places_[tap] + static_cast<size_t>(channel)]);
  };
  return {tap_channels_, {}, value_at};
}

}  // namespace sparsesr
