#include "kernels/upsampled_mask/rows.h"

namespace sparsesr {
namespace {

struct Sums {
  float lanes[kMaskLanes] = {};

  template <typename T>
  void add(const T* x, const float* weights) {
    for (int64_t c = 0; c < kMaskLanes; ++c) lanes[c] += widen(x[c]) * weights[c];
  }

  // Lanes are added in the order in which vectors are halved.
  float total() const {
    float sums[kMaskLanes];
    for (int64_t c = 0; c < kMaskLanes; ++c) sums[c] = lanes[c];
    for (int64_t half = kMaskLanes / 2; half > 0; half /= 2) {
      for (int64_t c = 0; c < half; ++c) sums[c] += sums[c + half];
    }
    return sums[0];
  }

  static unsigned are_positive(const Sums* sums, float bias) {
    unsigned flags = 0;
    for (int i = 0; i < 4; ++i) flags |= static_cast<unsigned>(sums[i].total() + bias > 0.0f) << i;
    return flags;
  }
};

}  // namespace

void f32_upsampled_mask__scalar(const UpsampledMaskArgsOf<float>& args, int64_t begin, int64_t end) {
  upsampled_mask<Sums>(args, begin, end);
}

void bf16_upsampled_mask__scalar(const UpsampledMaskArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  upsampled_mask<Sums>(args, begin, end);
}

}  // namespace sparsesr
