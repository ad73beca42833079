#include <immintrin.h>

#include "kernels/row_sums/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  using Doubles = __m512d;
  static constexpr int kLanes = 8;

  static __m512d add(__m512d sum, const float* x) { return _mm512_add_pd(sum, _mm512_cvtps_pd(_mm256_loadu_ps(x))); }
  static __m512d add(__m512d sum, const Bf16* x) {
    const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
    return _mm512_add_pd(sum, _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(bits, 16))));
  }
};

}  // namespace

void f32_row_sums__avx512(const RowSumsArgs& args, int64_t begin, int64_t end) {
  row_sums<Vector>(args, begin, end);
}

void bf16_row_sums__avx512(const RowSumsArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  row_sums<Vector>(args, begin, end);
}

}  // namespace sparsesr
