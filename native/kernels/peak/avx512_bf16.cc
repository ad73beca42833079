#include <immintrin.h>

#include "kernels/peak/peak.h"
#include "kernels/peak/independent_vectors.h"

namespace sparsesr {

// 24 independent vectors of 32 multiply-adds per iteration.
PeakRun bf16_peak__avx512_bf16(int64_t iterations) {
  const __m512bh small = (__m512bh)_mm512_set1_epi16(0x3a83);  // about 0.001
  const float sum = run_independently<__m512, 24>(
      iterations, [&](__m512 acc) { return _mm512_dpbf16_ps(acc, small, small); });
  return {1536.0 * static_cast<double>(iterations), sum};
}

}  // namespace sparsesr
