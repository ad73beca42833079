// Pixel shuffle to images: a row of a cell, two to four pixels, is one vector.
#include <immintrin.h>

#include "kernels/pixel_shuffle/rows.h"

namespace sparsesr {
namespace {

constexpr int kLanes = 16;
constexpr __mmask16 kColours = 0x7777;  // of four pixels

// Channel lane of the input pixel for each lane of row `i` of its cell.
template <int kScale>
__m512i source_lanes(int64_t i) {
  alignas(64) int32_t lanes[kLanes] = {};
  for (int j = 0; j < kScale; ++j) {
    for (int c = 0; c < kImageChannels; ++c) {
      lanes[j * kImageStride + c] = static_cast<int32_t>((c * kScale + i) * kScale + j);
    }
  }
  return _mm512_load_si512(lanes);
}

// Permutes the lanes of 16, 32 or 48 channels.
template <int kScale>
__m512 reordered(const float* x, __m512i lanes) {
  const __m512 first = _mm512_loadu_ps(x);
  if constexpr (kScale == 2) return _mm512_permutexvar_ps(lanes, first);
  const __m512 both = _mm512_permutex2var_ps(first, lanes, _mm512_loadu_ps(x + kLanes));
  if constexpr (kScale == 3) return both;
  const __mmask16 behind = _mm512_cmpge_epi32_mask(lanes, _mm512_set1_epi32(2 * kLanes));
  return _mm512_mask_permutexvar_ps(both, behind, lanes, _mm512_loadu_ps(x + 2 * kLanes));
}

// Two pixels fill half a vector, stored without a mask: masked stores delay loads of what lies behind them.
void store_pixels(float* out, __mmask16 written, __m512 values) {
  if (written == 0x00ff) return _mm256_storeu_ps(out, _mm512_castps512_ps256(values));
  _mm512_mask_storeu_ps(out, written, values);
}

struct Image {
  // Whole vectors.
  static int64_t channels_read(int64_t scale) {
    return (kImageChannels * scale * scale + kLanes - 1) / kLanes * kLanes;
  }

  template <int kScale>
  static void shuffle(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
    constexpr auto kWritten = static_cast<__mmask16>((1u << (kScale * kImageStride)) - 1u);
    for (int64_t r = begin; r < end; ++r) {
      const __m512i lanes = source_lanes<kScale>(r % kScale);
      const float* x = pixel_at(args.x, r / kScale, 0);
      const float* skip = args.skip.data == nullptr ? nullptr : pixel_at(args.skip, r, 0);
      float* out = pixel_at(args.out, r, 0);
      for (int64_t n = 0; n < args.x.width; ++n, x += args.x.stride, out += kScale * kImageStride) {
        __m512 values = _mm512_maskz_mov_ps(kColours, reordered<kScale>(x, lanes));
        if (skip != nullptr) {
          values = _mm512_maskz_add_ps(kColours, values, _mm512_maskz_loadu_ps(kWritten & kColours, skip));
          skip += kScale * kImageStride;
        }
        store_pixels(out, kWritten, values);
      }
    }
  }
};

}  // namespace

void f32_pixel_shuffle__avx512(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  shuffle_by<Image>(args, begin, end);
}

}  // namespace sparsesr
