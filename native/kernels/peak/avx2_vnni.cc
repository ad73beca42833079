#include <immintrin.h>

#include "kernels/peak/independent_vectors.h"
#include "kernels/peak/peak.h"

namespace sparsesr {

// 12 independent vectors of 32 multiply-adds per iteration.
PeakRun u8_peak__avx2_vnni(int64_t iterations) {
  const __m256i small = _mm256_set1_epi8(1);
  const float sum = run_independently<__v8si, 12>(
      iterations, [&](__v8si acc) { return (__v8si)_mm256_dpbusd_avx_epi32((__m256i)acc, small, small); });
  return {768.0 * static_cast<double>(iterations), sum};
}

}  // namespace sparsesr
