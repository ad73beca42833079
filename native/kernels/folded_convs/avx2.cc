#include <immintrin.h>

#include "kernels/folded_convs/rows.h"

namespace sparsesr {
namespace {

struct Avx2 {
  using Vector = __m256;
  static constexpr int64_t kLanes = 8;
  static Vector load(const float* source) { return _mm256_loadu_ps(source); }
  static Vector all(float value) { return _mm256_set1_ps(value); }
  static void split(const float* pixels, int64_t count, float (*planes)[kPlaneColumns]) {
    int64_t x = 0;
    for (; x + kQuad <= count; x += kQuad) {
      __m128 quad[kQuad];
      for (int64_t n = 0; n < kQuad; ++n) quad[n] = _mm_loadu_ps(pixels + (x + n) * kImageStride);
      _MM_TRANSPOSE4_PS(quad[0], quad[1], quad[2], quad[3]);
      for (int64_t c = 0; c < kImageChannels; ++c) _mm_storeu_ps(planes[c] + x, quad[c]);
    }
    split_pixels(pixels, x, count, planes);
  }
  static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }

  // Stores four outputs of each of the first `count` pixels.
  static void store_quads(const Vector* sums, float* out, int64_t stride, int64_t count) {
    const __m256 low01 = _mm256_unpacklo_ps(sums[0], sums[1]), high01 = _mm256_unpackhi_ps(sums[0], sums[1]);
    const __m256 low23 = _mm256_unpacklo_ps(sums[2], sums[3]), high23 = _mm256_unpackhi_ps(sums[2], sums[3]);
    // Half h of quads[n] holds pixel 4 h + n.
    const __m256 quads[4] = {
        _mm256_shuffle_ps(low01, low23, 0x44), _mm256_shuffle_ps(low01, low23, 0xee),
        _mm256_shuffle_ps(high01, high23, 0x44), _mm256_shuffle_ps(high01, high23, 0xee)};
    for (int64_t n = 0; n < 4 && n < count; ++n) _mm_storeu_ps(out + n * stride, _mm256_castps256_ps128(quads[n]));
    for (int64_t n = 4; n < kLanes && n < count; ++n) {
      _mm_storeu_ps(out + n * stride, _mm256_extractf128_ps(quads[n - 4], 1));
    }
  }
};

}  // namespace

void f32_folded_convs__avx2(const FoldedConvsArgs& args, int64_t row, int64_t first, int64_t end) {
  folded_convs<Avx2, 1>(args, row, first, end);
}

}  // namespace sparsesr
