#include <immintrin.h>

#include "kernels/peak/peak.h"
#include "kernels/peak/independent_vectors.h"

namespace sparsesr {

// 24 independent vectors of 16 multiply-adds per iteration.
PeakRun f32_peak__avx512(int64_t iterations) {
  const __m512 factor = _mm512_set1_ps(0.999f);
  const __m512 term = _mm512_set1_ps(0.001f);
  const float sum = run_independently<__m512, 24>(
      iterations, [&](__m512 acc) { return _mm512_fmadd_ps(acc, factor, term); });
  return {768.0 * static_cast<double>(iterations), sum};
}

}  // namespace sparsesr
