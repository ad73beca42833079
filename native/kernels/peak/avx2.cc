#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/peak/independent_vectors.h"

namespace sparsesr {

// 12 independent vectors of 8 multiply-adds per iteration.
float f32_peak__avx2(int64_t iterations) {
  const __m256 factor = _mm256_set1_ps(0.999f);
  const __m256 term = _mm256_set1_ps(0.001f);
  return run_independently<__m256, 12>(
      iterations, [&](__m256 acc) { return _mm256_fmadd_ps(acc, factor, term); });
}

}  // namespace sparsesr
