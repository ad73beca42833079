#include <cmath>

#include "kernels/channel_attention/channel_attention.h"

namespace sparsesr {
namespace {

float dot(const float* a, const float* b, int64_t count, float start) {
  for (int64_t i = 0; i < count; ++i) start += a[i] * b[i];
  return start;
}

}  // namespace

void f32_channel_attention__scalar(const ChannelAttentionArgs& args) {
  for (int64_t m = 0; m < args.hidden; ++m) {
    const float value = dot(args.w1 + m * args.channels, args.mean, args.channels, args.b1[m]);
    args.hidden_values[m] = value < 0.0f ? 0.0f : value;
  }
  for (int64_t c = 0; c < args.channels; ++c) {
    const float value = dot(args.w2 + c * args.hidden, args.hidden_values, args.hidden, args.b2[c]);
    args.out[c] = 1.0f / (1.0f + std::exp(-value));
  }
}

}  // namespace sparsesr
