#include <immintrin.h>

#include "kernels/peak/independent_vectors.h"
#include "kernels/peak/peak.h"

namespace sparsesr {

// 24 independent vectors of 64 multiply-adds per iteration.
PeakRun u8_peak__avx512_vnni(int64_t iterations) {
  const __m512i small = _mm512_set1_epi8(1);
  const float sum = run_independently<__v16si, 24>(
      iterations, [&](__v16si acc) { return (__v16si)_mm512_dpbusd_epi32((__m512i)acc, small, small); });
  return {3072.0 * static_cast<double>(iterations), sum};
}

}  // namespace sparsesr
