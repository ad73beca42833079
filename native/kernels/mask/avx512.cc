// Compares sixteen pixels at a time.
#include <immintrin.h>

#include "kernels/mask/mask.h"

namespace sparsesr {
namespace {

constexpr int64_t kPixels = 16;

}  // namespace

void f32_mask__avx512(const MaskArgs& args, int64_t begin, int64_t end) {
  const int64_t width = args.logits.width;
  const __m512i counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i places = _mm512_mullo_epi32(counting, _mm512_set1_epi32(static_cast<int>(args.logits.stride)));
  const __m512 bias = _mm512_set1_ps(args.bias);
  const __m512 zero = _mm512_setzero_ps();
  for (int64_t r = begin; r < end; ++r) {
    uint64_t* const words = row_of(args.active, r);
    for (int64_t w = 0; w < args.active.row_words; ++w) words[w] = 0;
    for (int64_t x = 0; x < width; x += kPixels) {
      const int64_t some = width - x < kPixels ? width - x : kPixels;
      const auto existing = static_cast<__mmask16>((1u << some) - 1u);
      const float* logits = pixel_at(args.logits, r, x);
      const __m512 off = _mm512_mask_i32gather_ps(zero, existing, places, logits, sizeof(float));
      const __m512 on = _mm512_mask_i32gather_ps(zero, existing, places, logits + 1, sizeof(float));
      const __mmask16 active = _mm512_mask_cmp_ps_mask(existing, _mm512_add_ps(on, bias), off, _CMP_GT_OQ);
      words[x / kWordPixels] |= static_cast<uint64_t>(active) << (x % kWordPixels);
    }
  }
}

}  // namespace sparsesr
