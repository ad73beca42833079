#include <immintrin.h>

#include "kernels/folded_convs/rows.h"

namespace sparsesr {
namespace {

struct Avx512 {
  using Vector = __m512;
  static constexpr int64_t kLanes = 16;
  static Vector load(const float* source) { return _mm512_loadu_ps(source); }
  static Vector all(float value) { return _mm512_set1_ps(value); }
  static void split(const float* pixels, int64_t count, float (*planes)[kPlaneColumns]) {
    for (int64_t x = 0; x < count; x += kLanes) {
      __m512 quarters[4];  // four pixels each
      for (int q = 0; q < 4; ++q) {
        const int64_t values = std::clamp<int64_t>((count - x) * kImageStride - q * kLanes, 0, kLanes);
        const auto lanes = static_cast<__mmask16>((1u << values) - 1u);
        quarters[q] = _mm512_maskz_loadu_ps(lanes, pixels + x * kImageStride + q * kLanes);
      }
      for (int c = 0; c < kImageChannels; ++c) _mm512_storeu_ps(planes[c] + x, channel(quarters, c));
    }
  }
  static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }

  // Stores four outputs of each of the first `count` pixels.
  static void store_quads(const Vector* sums, float* out, int64_t stride, int64_t count) {
    const __m512 low01 = _mm512_unpacklo_ps(sums[0], sums[1]), high01 = _mm512_unpackhi_ps(sums[0], sums[1]);
    const __m512 low23 = _mm512_unpacklo_ps(sums[2], sums[3]), high23 = _mm512_unpackhi_ps(sums[2], sums[3]);
    // Quarter q of quads[n] holds pixel 4 q + n.
    const __m512 quads[4] = {
        _mm512_shuffle_ps(low01, low23, 0x44), _mm512_shuffle_ps(low01, low23, 0xee),
        _mm512_shuffle_ps(high01, high23, 0x44), _mm512_shuffle_ps(high01, high23, 0xee)};
    if (count < kLanes) return store_some(quads, out, stride, count);
#pragma GCC unroll 4
    for (int64_t n = 0; n < 4; ++n) {
      _mm_storeu_ps(out + n * stride, _mm512_castps512_ps128(quads[n]));
      _mm_storeu_ps(out + (n + 4) * stride, _mm512_extractf32x4_ps(quads[n], 1));
      _mm_storeu_ps(out + (n + 8) * stride, _mm512_extractf32x4_ps(quads[n], 2));
      _mm_storeu_ps(out + (n + 12) * stride, _mm512_extractf32x4_ps(quads[n], 3));
    }
  }

 private:
  // One channel of sixteen pixels.
  static __m512 channel(const __m512* quarters, int c) {
    const __m512i every_fourth = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    const __m512i lanes = _mm512_add_epi32(every_fourth, _mm512_set1_epi32(c));
    const __m512 first = _mm512_permutex2var_ps(quarters[0], lanes, quarters[1]);
    const __m512 second = _mm512_permutex2var_ps(quarters[2], lanes, quarters[3]);
    return _mm512_shuffle_f32x4(first, second, 0x44);
  }

  static void store_some(const __m512* quads, float* out, int64_t stride, int64_t count) {
    alignas(64) float values[4][kLanes];
    for (int n = 0; n < 4; ++n) _mm512_store_ps(values[n], quads[n]);
    for (int64_t n = 0; n < count; ++n) {
      _mm_storeu_ps(out + n * stride, _mm_load_ps(values[n % 4] + n / 4 * kQuad));
    }
  }
};

}  // namespace

void f32_folded_convs__avx512(const FoldedConvsArgs& args, int64_t row, int64_t first, int64_t end) {
  folded_convs<Avx512, 2>(args, row, first, end);
}

}  // namespace sparsesr
