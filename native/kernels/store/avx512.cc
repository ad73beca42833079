// Stores four pixels at a time, dropping the fourth value of each.
#include <immintrin.h>

#include "kernels/store/store.h"

namespace sparsesr {
namespace {

constexpr int64_t kPixels = 4;
constexpr __mmask16 kColours = 0x7777;

// As in scalar.cc: clips to 0..1 (NaN becomes 0), scales and rounds half up.
__m512i quantize(__m512 values, float white) {
  const __m512 low = _mm512_max_ps(values, _mm512_setzero_ps());  // this operand order turns NaN into zero
  const __m512 clipped = _mm512_min_ps(low, _mm512_set1_ps(1.0f));
  return _mm512_cvttps_epi32(_mm512_add_ps(_mm512_mul_ps(clipped, _mm512_set1_ps(white)), _mm512_set1_ps(0.5f)));
}

void store_lanes(uint8_t* out, __mmask16 lanes, __m512 values) {
  const __m512i colours = _mm512_maskz_compress_epi32(kColours, quantize(values, 255.0f));
  _mm_mask_storeu_epi8(out, lanes, _mm512_cvtepi32_epi8(colours));
}

void store_lanes(uint16_t* out, __mmask16 lanes, __m512 values) {
  const __m512i colours = _mm512_maskz_compress_epi32(kColours, quantize(values, 65535.0f));
  _mm256_mask_storeu_epi16(out, lanes, _mm512_cvtepi32_epi16(colours));
}

void store_lanes(float* out, __mmask16 lanes, __m512 values) {
  _mm512_mask_storeu_ps(out, lanes, _mm512_maskz_compress_ps(kColours, values));
}

__mmask16 lanes_below(int64_t count) { return static_cast<__mmask16>((1u << count) - 1u); }

template <typename T>
void store_rows(const StoreArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* x = pixel_at(args.x, r, 0);
    T* out = static_cast<T*>(args.image) + r * args.width * kImageChannels;
    for (int64_t n = 0; n < args.width; n += kPixels) {
      const int64_t some = args.width - n < kPixels ? args.width - n : kPixels;
      const __m512 values = _mm512_maskz_loadu_ps(lanes_below(some * kImageStride), x + n * kImageStride);
      store_lanes(out + n * kImageChannels, lanes_below(some * kImageChannels), values);
    }
  }
}

}  // namespace

void f32_store__avx512(const StoreArgs& args, int64_t begin, int64_t end) {
  switch (args.type) {
    case PixelType::kU8: return store_rows<uint8_t>(args, begin, end);
    case PixelType::kU16: return store_rows<uint16_t>(args, begin, end);
    case PixelType::kF32: return store_rows<float>(args, begin, end);
  }
}

}  // namespace sparsesr
