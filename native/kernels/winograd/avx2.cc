#include <immintrin.h>

#include "kernels/winograd/definitions.h"

namespace sparsesr {
namespace {

struct Lanes {
  using Vector = __m256;
  static constexpr int kCount = 8;

  static Vector load(const float* x) { return _mm256_loadu_ps(x); }
  static Vector broadcast(const float* x) { return _mm256_broadcast_ss(x); }
  static Vector add_product(Vector sum, Vector a, Vector b) { return _mm256_fmadd_ps(a, b, sum); }
  static void store(float* x, Vector value) { _mm256_storeu_ps(x, value); }

  // Without branches: masks are ragged.
  static Vector only_if(bool condition, Vector value) {
    return _mm256_and_ps(value, _mm256_castsi256_ps(_mm256_set1_epi32(-static_cast<int>(condition))));
  }
  static Vector positive(Vector value, bool condition) {
    return only_if(condition, _mm256_max_ps(_mm256_setzero_ps(), value));
  }
  static Vector where_positive(Vector x, Vector value) {
    return _mm256_and_ps(value, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
  }
};

}  // namespace

SPARSESR_DEFINE_WINOGRAD(avx2, Lanes, 6, 4)

}  // namespace sparsesr
