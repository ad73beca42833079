#include <immintrin.h>

#include "kernels/kernels.h"

namespace sparsesr {

// 12 independent vectors of 8 multiply-adds per iteration.
float f32_peak__avx2(int64_t iterations) {
  constexpr int kVectors = 12;
  __m256 acc[kVectors];
#pragma GCC unroll 12
  for (int i = 0; i < kVectors; ++i) acc[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 factor = _mm256_set1_ps(0.999f);
  const __m256 term = _mm256_set1_ps(0.001f);
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kVectors; ++i) acc[i] = _mm256_fmadd_ps(acc[i], factor, term);
  }
  __m256 sum = acc[0];
#pragma GCC unroll 12
  for (int i = 1; i < kVectors; ++i) sum = _mm256_add_ps(sum, acc[i]);
  float lanes[8];
  _mm256_storeu_ps(lanes, sum);
  return lanes[0];
}

}  // namespace sparsesr
