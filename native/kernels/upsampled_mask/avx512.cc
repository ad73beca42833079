#include <immintrin.h>

#include "kernels/upsampled_mask/rows.h"

namespace sparsesr {
namespace {

__m512 load_sixteen(const float* x) { return _mm512_loadu_ps(x); }

__m512 load_sixteen(const Bf16* x) {
  const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}

// Of each vector, lanes i + lanes i + 8: those of `a`, then those of `b`.
__m512 halves(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

struct Sums {
  __m512 lanes = _mm512_setzero_ps();

  template <typename T>
  __attribute__((always_inline)) void add(const T* x, const float* weights) {
    lanes = _mm512_add_ps(lanes, _mm512_mul_ps(load_sixteen(x), _mm512_loadu_ps(weights)));
  }

  static __attribute__((always_inline)) unsigned are_positive(const Sums* sums, float bias) {
    const __m512 ab = halves(sums[0].lanes, sums[1].lanes);
    const __m512 cd = halves(sums[2].lanes, sums[3].lanes);
    const __m512 quarters =
        _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));  // one per sum
    const __m512 pairs = _mm512_add_ps(quarters, _mm512_permute_ps(quarters, 0x4e));
    const __m512 totals = _mm512_add_ps(pairs, _mm512_permute_ps(pairs, 0xb1));
    const __m512 differences = _mm512_add_ps(totals, _mm512_set1_ps(bias));
    const __mmask16 positive = _mm512_cmp_ps_mask(differences, _mm512_setzero_ps(), _CMP_GT_OQ);
    return (positive & 1u) | (positive >> 3 & 2u) | (positive >> 6 & 4u) | (positive >> 9 & 8u);
  }
};

}  // namespace

void f32_upsampled_mask__avx512(const UpsampledMaskArgsOf<float>& args, int64_t begin, int64_t end) {
  upsampled_mask<Sums>(args, begin, end);
}

void bf16_upsampled_mask__avx512(const UpsampledMaskArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  upsampled_mask<Sums>(args, begin, end);
}

}  // namespace sparsesr
