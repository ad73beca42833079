// Sorts sixteen pixels at a time.
#include <immintrin.h>

#include "kernels/mask/mask.h"

namespace sparsesr {
namespace {

constexpr int64_t kPixels = 16;

// Appends the chosen ones of these pixels; never writes beyond them, since the list may end there.
int64_t append(int32_t* list, int64_t count, __mmask16 chosen, __m512i pixels) {
  const int added = __builtin_popcount(chosen);
  const auto written = static_cast<__mmask16>((1u << added) - 1u);
  _mm512_mask_storeu_epi32(list + count, written, _mm512_maskz_compress_epi32(chosen, pixels));
  return count + added;
}

}  // namespace

void f32_mask__avx512(MaskArgs& args, int64_t begin, int64_t end) {
  const int64_t width = args.logits.width;
  const __m512i counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i places = _mm512_mullo_epi32(counting, _mm512_set1_epi32(static_cast<int>(args.logits.stride)));
  const __m512 bias = _mm512_set1_ps(args.bias);
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t x = 0; x < width; x += kPixels) {
      const int64_t some = width - x < kPixels ? width - x : kPixels;
      const auto existing = static_cast<__mmask16>((1u << some) - 1u);
      const float* logits = pixel_at(args.logits, r, x);
      const __m512 zero = _mm512_setzero_ps();
      const __m512 off = _mm512_mask_i32gather_ps(zero, existing, places, logits, sizeof(float));
      const __m512 on = _mm512_mask_i32gather_ps(zero, existing, places, logits + 1, sizeof(float));
      const __mmask16 active = _mm512_mask_cmp_ps_mask(existing, _mm512_add_ps(on, bias), off, _CMP_GT_OQ);
      const auto first = static_cast<int32_t>(r * (width + 2) + 1 + x);
      const __m512i pixels = _mm512_add_epi32(counting, _mm512_set1_epi32(first));
      args.active_count = append(args.active, args.active_count, active, pixels);
      const auto inactive = static_cast<__mmask16>(existing & ~active);
      args.inactive_count = append(args.inactive, args.inactive_count, inactive, pixels);
    }
  }
}

}  // namespace sparsesr
