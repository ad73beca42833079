// Reference sigmoid; compiled for each instruction set, with bit-identical results.
#pragma once

#include <bit>

#include "kernels/exp2_series.h"
#include "kernels/sigmoid/sigmoid.h"

namespace sparsesr {
namespace {

// 2^x for x in -126..126, without branches, so that compilers use vectors.
inline float exp2_of(float x) {
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves no room for a fraction
  const float whole = (x + kRounder) - kRounder;
  const float fraction = x - whole;
  float sum = kExp2Series[0];
#pragma GCC unroll 8
  for (int i = 1; i < kExp2Terms; ++i) sum = sum * fraction + kExp2Series[i];
  return sum * std::bit_cast<float>((static_cast<int32_t>(whole) + 127) << 23);
}

inline float sigmoid_of(float x) {
  const float power = x * -kLog2E;
  const float low = power > -126.0f ? power : -126.0f;  // also for NaN, which is restored below
  const float result = 1.0f / (1.0f + exp2_of(low < 126.0f ? low : 126.0f));
  return x == x ? result : x;
}

void sigmoid(const SigmoidArgs& args, int64_t begin, int64_t end) {
  const int64_t stride = args.out.stride;
  const int64_t values = args.out.width * stride;
  for (int64_t r = begin; r < end; ++r) {
    const float* x = pixel_at(args.x, r, 0);
    float* out = pixel_at(args.out, r, 0);
#pragma GCC ivdep
    for (int64_t i = 0; i < values; ++i) out[i] = sigmoid_of(x[i]);
    for (int64_t i = 0; args.channels < stride && i < args.out.width; ++i, out += stride) {
      for (int64_t c = args.channels; c < stride; ++c) out[c] = 0.0f;
    }
  }
}

}  // namespace
}  // namespace sparsesr
