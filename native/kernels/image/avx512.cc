// Converts four pixels at a time.
#include <immintrin.h>

#include "kernels/image/image.h"

namespace sparsesr {
namespace {

constexpr int64_t kPixels = 4;
constexpr __mmask16 kColours = 0x7777;

__mmask16 lanes_below(int64_t count) { return static_cast<__mmask16>((1u << count) - 1u); }

__m512 load_values(__mmask16 lanes, const uint8_t* source) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, source)));
}

__m512 load_values(__mmask16 lanes, const uint16_t* source) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, source)));
}

__m512 load_values(__mmask16 lanes, const float* source) { return _mm512_maskz_loadu_ps(lanes, source); }

// As in scalar.cc: fills rows of the window from an image in which the value `white` represents 1.
template <typename T>
void read_rows(const ImageArgs& args, float white, int64_t begin, int64_t end) {
  const auto* image = static_cast<const T*>(args.image);
  const __m512 whites = _mm512_set1_ps(white);
  const __m512 offset =
      _mm512_broadcast_f32x4(_mm_setr_ps(args.offset[0], args.offset[1], args.offset[2], 0.0f));
  for (int64_t r = begin; r < end; ++r) {
    const int64_t row = r < args.height ? r : args.height - 1;
    const T* source = image + row * args.width * kImageChannels;
    float* const out = pixel_at(args.out, r, 0);
    for (int64_t x = 0; x < args.width; x += kPixels) {
      const int64_t some = args.width - x < kPixels ? args.width - x : kPixels;
      const __m512 values = load_values(lanes_below(some * kImageChannels), source + x * kImageChannels);
      const __m512 spread = _mm512_maskz_expand_ps(kColours, values);
      const __m512 pixels = _mm512_maskz_sub_ps(kColours, _mm512_div_ps(spread, whites), offset);
      _mm512_mask_storeu_ps(out + x * kImageStride, lanes_below(some * kImageStride), pixels);
    }
    const __m128 last = _mm_loadu_ps(out + (args.width - 1) * kImageStride);
    for (int64_t x = args.width; x < args.out.width; ++x) _mm_storeu_ps(out + x * kImageStride, last);
  }
}

}  // namespace

void f32_image__avx512(const ImageArgs& args, int64_t begin, int64_t end) {
  switch (args.type) {
    case PixelType::kU8: return read_rows<uint8_t>(args, 255.0f, begin, end);
    case PixelType::kU16: return read_rows<uint16_t>(args, 65535.0f, begin, end);
    case PixelType::kF32: return read_rows<float>(args, 1.0f, begin, end);
  }
}

}  // namespace sparsesr
