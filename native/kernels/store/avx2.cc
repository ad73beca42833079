// Stores four pixels at a time, dropping the fourth value of each.
#include <immintrin.h>

#include "kernels/store/store.h"

namespace sparsesr {
namespace {

constexpr int64_t kPixels = 4;
constexpr char kNone = -1;  // a byte that a shuffle clears

// As in scalar.cc: clips to 0..1 (NaN becomes 0), scales and rounds half up.
__m256i quantize(const float* x, float white) {
  const __m256 low = _mm256_max_ps(_mm256_loadu_ps(x), _mm256_setzero_ps());  // this operand order turns NaN into zero
  const __m256 clipped = _mm256_min_ps(low, _mm256_set1_ps(1.0f));
  return _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(clipped, _mm256_set1_ps(white)), _mm256_set1_ps(0.5f)));
}

// Words of pixels 0 and 2 in the lower half, of 1 and 3 in the upper one.
__m256i words_of_four(const float* x, float white) {
  return _mm256_packus_epi32(quantize(x, white), quantize(x + 2 * kImageStride, white));
}

__m128i either(__m256i halves, __m128i from_lower, __m128i from_upper) {
  return _mm_or_si128(_mm_shuffle_epi8(_mm256_castsi256_si128(halves), from_lower),
                      _mm_shuffle_epi8(_mm256_extracti128_si256(halves, 1), from_upper));
}

void store_four(uint8_t* out, const float* x) {
  const __m256i words = words_of_four(x, 255.0f);
  const __m128i colours =
      either(_mm256_packus_epi16(words, words),
             _mm_setr_epi8(0, 1, 2, kNone, kNone, kNone, 4, 5, 6, kNone, kNone, kNone, kNone, kNone, kNone, kNone),
             _mm_setr_epi8(kNone, kNone, kNone, 0, 1, 2, kNone, kNone, kNone, 4, 5, 6, kNone, kNone, kNone, kNone));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out), colours);
  _mm_storeu_si32(out + 8, _mm_srli_si128(colours, 8));
}

void store_four(uint16_t* out, const float* x) {
  const __m256i words = words_of_four(x, 65535.0f);
  const __m128i first =
      either(words, _mm_setr_epi8(0, 1, 2, 3, 4, 5, kNone, kNone, kNone, kNone, kNone, kNone, 8, 9, 10, 11),
             _mm_setr_epi8(kNone, kNone, kNone, kNone, kNone, kNone, 0, 1, 2, 3, 4, 5, kNone, kNone, kNone, kNone));
  const __m128i rest = either(
      words,
      _mm_setr_epi8(12, 13, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone,
                    kNone),
      _mm_setr_epi8(kNone, kNone, 8, 9, 10, 11, 12, 13, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), first);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 8), rest);
}

void store_four(float* out, const float* x) {
  // The next pixel overwrites the fourth value.
  for (int64_t p = 0; p < kPixels - 1; ++p) {
    _mm_storeu_ps(out + p * kImageChannels, _mm_loadu_ps(x + p * kImageStride));
  }
  for (int64_t c = 0; c < kImageChannels; ++c) {
    out[(kPixels - 1) * kImageChannels + c] = x[(kPixels - 1) * kImageStride + c];
  }
}

// Fewer than four pixels, by way of a copy.
template <typename T>
void store_some(T* out, const float* x, int64_t pixels) {
  float values[kPixels * kImageStride] = {};
  T colours[kPixels * kImageChannels];
  for (int64_t i = 0; i < pixels * kImageStride; ++i) values[i] = x[i];
  store_four(colours, values);
  for (int64_t i = 0; i < pixels * kImageChannels; ++i) out[i] = colours[i];
}

template <typename T>
void store_rows(const StoreArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* x = pixel_at(args.x, r, 0);
    T* out = static_cast<T*>(args.image) + r * args.width * kImageChannels;
    int64_t n = 0;
    for (; n + kPixels <= args.width; n += kPixels) store_four(out + n * kImageChannels, x + n * kImageStride);
    if (n < args.width) store_some(out + n * kImageChannels, x + n * kImageStride, args.width - n);
  }
}

}  // namespace

void f32_store__avx2(const StoreArgs& args, int64_t begin, int64_t end) {
  switch (args.type) {
    case PixelType::kU8: return store_rows<uint8_t>(args, begin, end);
    case PixelType::kU16: return store_rows<uint16_t>(args, begin, end);
    case PixelType::kF32: return store_rows<float>(args, begin, end);
  }
}

}  // namespace sparsesr
