#include <immintrin.h>

#include "kernels/row_sums/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  using Doubles = __m256d;
  static constexpr int kLanes = 4;

  static __m256d add(__m256d sum, const float* x) { return _mm256_add_pd(sum, _mm256_cvtps_pd(_mm_loadu_ps(x))); }
  static __m256d add(__m256d sum, const Bf16* x) {
    const __m128i bits = _mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
    return _mm256_add_pd(sum, _mm256_cvtps_pd(_mm_castsi128_ps(_mm_slli_epi32(bits, 16))));
  }
};

}  // namespace

void f32_row_sums__avx2(const RowSumsArgs& args, int64_t begin, int64_t end) {
  row_sums<Vector>(args, begin, end);
}

void bf16_row_sums__avx2(const RowSumsArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  row_sums<Vector>(args, begin, end);
}

}  // namespace sparsesr
