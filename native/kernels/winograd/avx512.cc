#include <immintrin.h>

#include "kernels/winograd/definitions.h"

namespace sparsesr {
namespace {

struct Lanes {
  using Vector = __m512;
  static constexpr int kCount = 16;

  static Vector load(const float* x) { return _mm512_loadu_ps(x); }
  static Vector broadcast(const float* x) { return _mm512_set1_ps(*x); }
  static Vector add_product(Vector sum, Vector a, Vector b) { return _mm512_fmadd_ps(a, b, sum); }
  static void store(float* x, Vector value) { _mm512_storeu_ps(x, value); }

  // Without branches: masks are ragged.
  static Vector only_if(bool condition, Vector value) { return _mm512_maskz_mov_ps(lanes_if(condition), value); }
  static Vector positive(Vector value, bool condition) {
    const __mmask16 not_below = _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_NLT_UQ);
    return _mm512_maskz_mov_ps(lanes_if(condition) & not_below, value);
  }
  static Vector where_positive(Vector x, Vector value) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), value);
  }

 private:
  static __mmask16 lanes_if(bool condition) { return static_cast<__mmask16>(-static_cast<int>(condition)); }
};

}  // namespace

SPARSESR_DEFINE_WINOGRAD(avx512, Lanes, 12, 8)

}  // namespace sparsesr
