#include <immintrin.h>

#include "kernels/kernels.h"

namespace sparsesr {

// 24 independent vectors of 16 multiply-adds per iteration.
float f32_peak__avx512(int64_t iterations) {
  constexpr int kVectors = 24;
  __m512 acc[kVectors];
#pragma GCC unroll 24
  for (int i = 0; i < kVectors; ++i) acc[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 factor = _mm512_set1_ps(0.999f);
  const __m512 term = _mm512_set1_ps(0.001f);
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 24
    for (int i = 0; i < kVectors; ++i) acc[i] = _mm512_fmadd_ps(acc[i], factor, term);
  }
  __m512 sum = acc[0];
#pragma GCC unroll 24
  for (int i = 1; i < kVectors; ++i) sum = _mm512_add_ps(sum, acc[i]);
  float lanes[16];
  _mm512_storeu_ps(lanes, sum);
  return lanes[0];
}

}  // namespace sparsesr
