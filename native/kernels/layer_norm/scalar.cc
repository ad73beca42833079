#include <cmath>

#include "kernels/layer_norm/layer_norm.h"

namespace sparsesr {
namespace {

constexpr int64_t kLanes = 16;

// Sums in a fixed number of lanes: vectorisable, with a fixed order of additions.
template <typename Term>
float sum_of(int64_t count, const Term& term) {
  float lanes[kLanes] = {};
  int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += term(c + l);
  }
  for (int64_t l = 0; c + l < count; ++l) lanes[l] += term(c + l);
  float sum = 0.0f;
  for (int64_t l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

}  // namespace

void f32_layer_norm__scalar(const LayerNormArgs& args, int64_t begin, int64_t end) {
  const int64_t channels = args.channels;
  const auto count = static_cast<float>(channels);
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < args.out.width; ++i) {
      const float* x = pixel_at(args.x, r, i);
      float* out = pixel_at(args.out, r, i);
      const float mean = sum_of(channels, [&](int64_t c) { return x[c]; }) / count;
      const float squares = sum_of(channels, [&](int64_t c) { return (x[c] - mean) * (x[c] - mean); });
      const float factor = 1.0f / std::sqrt(squares / count + args.epsilon);
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c) out[c] = (x[c] - mean) * factor * args.weight[c] + args.bias[c];
      for (int64_t c = channels; c < args.out.stride; ++c) out[c] = 0.0f;
    }
  }
}

}  // namespace sparsesr
