// Attention for AVX-512: 4 queries x 6 vectors of keys, and 4 queries x 6 dimensions, in 24 accumulators.
#include <immintrin.h>

#include "kernels/segment_attention/online_softmax.h"

namespace sparsesr {
namespace {

struct Avx512 {
  using Vector = __m512;
  static constexpr int kLanes = 16;
  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector load(const float* p) { return _mm512_load_ps(p); }
  static void store(float* p, Vector v) { _mm512_store_ps(p, v); }
  static Vector broadcast(float value) { return _mm512_set1_ps(value); }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector maximum(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }

  // 2^x for x <= 0: Taylor series of the fractional part in -0.5..0.5, relative error below 2e-7.
  static Vector exp2(Vector x) {
    const Vector whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const Vector fraction = _mm512_sub_ps(x, whole);
    Vector sum = _mm512_set1_ps(kExp2Series[0]);
#pragma GCC unroll 8
    for (int i = 1; i < kExp2Terms; ++i) {
      sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(kExp2Series[i]));
    }
    return _mm512_scalef_ps(sum, whole);
  }
};

}  // namespace

void f32_segment_attention_4x96__avx512(const SegmentAttentionArgs& args, int64_t begin, int64_t end) {
  attend_in_tiles<OnlineSoftmax<Avx512, 4, 6, 12>>(args, begin, end);
}

}  // namespace sparsesr
