// Attention for AVX2: 2 queries x 6 vectors of keys, and 2 queries x 6 dimensions, in 12 accumulators.
#include <immintrin.h>

#include "kernels/segment_attention/online_softmax.h"

namespace sparsesr {
namespace {

struct Avx2 {
  using Vector = __m256;
  static constexpr int kLanes = 8;
  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector load(const float* p) { return _mm256_load_ps(p); }
  static void store(float* p, Vector v) { _mm256_store_ps(p, v); }
  static Vector broadcast(float value) { return _mm256_set1_ps(value); }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector maximum(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }

  // 2^x for x <= 0, as in avx512.cc; the exponent is clamped at -127, which gives zero.
  static Vector exp2(Vector x) {
    x = _mm256_max_ps(x, _mm256_set1_ps(-127.0f));
    const Vector whole = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const Vector fraction = _mm256_sub_ps(x, whole);
    Vector sum = _mm256_set1_ps(kExp2Series[0]);
#pragma GCC unroll 8
    for (int i = 1; i < kExp2Terms; ++i) {
      sum = _mm256_fmadd_ps(sum, fraction, _mm256_set1_ps(kExp2Series[i]));
    }
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
    return _mm256_mul_ps(sum, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
};

}  // namespace

void f32_segment_attention_2x48__avx2(const SegmentAttentionArgs& args, int64_t begin, int64_t end) {
  attend_in_tiles<OnlineSoftmax<Avx2, 2, 6, 12>>(args, begin, end);
}

}  // namespace sparsesr
