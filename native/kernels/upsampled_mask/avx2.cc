#include "kernels/conv/vectors_avx2.h"
#include "kernels/upsampled_mask/rows.h"

namespace sparsesr {
namespace {

struct Sums {
  __m256 low = _mm256_setzero_ps();
  __m256 high = _mm256_setzero_ps();

  template <typename T>
  __attribute__((always_inline)) void add(const T* x, const float* weights) {
    low = _mm256_add_ps(low, _mm256_mul_ps(load_all(x), _mm256_loadu_ps(weights)));
    high = _mm256_add_ps(high, _mm256_mul_ps(load_all(x + 8), _mm256_loadu_ps(weights + 8)));
  }

  __m128 quarter() const {
    const __m256 half = _mm256_add_ps(low, high);
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }

  static __attribute__((always_inline)) unsigned are_positive(const Sums* sums, float bias) {
    const __m128 a = sums[0].quarter(), b = sums[1].quarter(), c = sums[2].quarter(), d = sums[3].quarter();
    const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));  // lanes 0 + 2 and 1 + 3 of each
    const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    const __m128 totals =
        _mm_add_ps(_mm_shuffle_ps(ab, cd, _MM_SHUFFLE(2, 0, 2, 0)), _mm_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 1, 3, 1)));
    const __m128 differences = _mm_add_ps(totals, _mm_set1_ps(bias));
    return static_cast<unsigned>(_mm_movemask_ps(_mm_cmp_ps(differences, _mm_setzero_ps(), _CMP_GT_OQ)));
  }
};

}  // namespace

void f32_upsampled_mask__avx2(const UpsampledMaskArgsOf<float>& args, int64_t begin, int64_t end) {
  upsampled_mask<Sums>(args, begin, end);
}

void bf16_upsampled_mask__avx2(const UpsampledMaskArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  upsampled_mask<Sums>(args, begin, end);
}

}  // namespace sparsesr
