#include <immintrin.h>

#include "kernels/kernels.h"

namespace sparsesr {

// 24 independent vectors of 32 multiply-adds per iteration.
float bf16_peak__avx512_bf16(int64_t iterations) {
  constexpr int kVectors = 24;
  __m512 acc[kVectors];
#pragma GCC unroll 24
  for (int i = 0; i < kVectors; ++i) acc[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512bh small = (__m512bh)_mm512_set1_epi16(0x3a83);  // about 0.001
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 24
    for (int i = 0; i < kVectors; ++i) acc[i] = _mm512_dpbf16_ps(acc[i], small, small);
  }
  __m512 sum = acc[0];
#pragma GCC unroll 24
  for (int i = 1; i < kVectors; ++i) sum = _mm512_add_ps(sum, acc[i]);
  float lanes[16];
  _mm512_storeu_ps(lanes, sum);
  return lanes[0];
}

}  // namespace sparsesr
