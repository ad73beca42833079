#include <immintrin.h>

#include "kernels/conv/int8_steps_avx2.h"
#include "kernels/peak/independent_vectors.h"
#include "kernels/peak/peak.h"

namespace sparsesr {

// 12 independent vectors of 8 multiply-adds per iteration.
PeakRun f32_peak__avx2(int64_t iterations) {
  const __m256 factor = _mm256_set1_ps(0.999f);
  const __m256 term = _mm256_set1_ps(0.001f);
  const float sum = run_independently<__m256, 12>(
      iterations, [&](__m256 acc) { return _mm256_fmadd_ps(acc, factor, term); });
  return {192.0 * static_cast<double>(iterations), sum};
}

// 12 independent vectors of 32 multiply-adds per iteration.
PeakRun u8_peak__avx2(int64_t iterations) {
  const __m256i ones = _mm256_set1_epi8(1);
  const float sum = run_independently<__v8si, 12>(
      iterations, [&](__v8si acc) { return (__v8si)add_products((__m256i)acc, (__m256i)acc, ones); });
  return {768.0 * static_cast<double>(iterations), sum};
}

}  // namespace sparsesr
