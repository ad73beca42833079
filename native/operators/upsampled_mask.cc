#include "operators/upsampled_mask.h"

#include "core/kernel_table.h"
#include "core/rounding.h"

namespace sparsesr {
namespace {

constexpr int64_t kTaps = 9;

template <typename T>
WindowOf<const T> typed(const AnyWindow& x) {
  return {static_cast<const T*>(x.data), x.row0, x.rows, x.width, x.stride};
}

}  // namespace

UpsampledMaskWeights::UpsampledMaskWeights(const float* weight, const float* bias, int64_t c_in, Isa isa)
    : c_in_(c_in),
      channels_(rounded_up(c_in, kMaskLanes)),
      isa_(isa),
      bias_(bias == nullptr ? 0.0f : bias[1] - bias[0]),
      weights_(static_cast<size_t>(kTaps * channels_)) {
  for (int64_t c = 0; c < c_in; ++c) {
    const float* const off = weight + c * 2 * kTaps;
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      weights_[static_cast<size_t>(tap * channels_ + c)] = off[kTaps + tap] - off[tap];
    }
  }
}

void UpsampledMaskWeights::find(const AnyWindow& x, int64_t x_height, float bias, const PixelBits& active,
                                int64_t begin, int64_t end) const {
  const KernelTable& table = kernel_table(isa_);
  if (x.type == MapType::kBf16) {
    table.upsampled_mask_bf16.run({typed<Bf16>(x), x_height, weights_.data(), channels_, bias_ + bias, active}, begin,
                                  end);
  } else {
    table.upsampled_mask.run({typed<float>(x), x_height, weights_.data(), channels_, bias_ + bias, active}, begin,
                             end);
  }
}

}  // namespace sparsesr
