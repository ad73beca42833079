// Pixel layouts for tile products that sum over pixels: pairs of adjacent pixels, and channels x pixels.
#pragma once

#include <immintrin.h>

#include "core/number_types.h"
#include "kernels/train_conv/packed_tiles.h"

namespace sparsesr {
namespace {

constexpr int kRunPixels = 16;

// Indices that interleave the lower (or upper) 16 values of two vectors.
inline __m512i alternating(uint16_t first) {
  alignas(64) static constexpr uint16_t kLower[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                      8,  40, 9,  41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  return _mm512_add_epi16(_mm512_load_si512(kLower), _mm512_set1_epi16(static_cast<int16_t>(first)));
}

// Pairs 32 channels of 18 pixels, from one before a run to one after it. `even` receives the pairs (0, 1), (2, 3), ...
// of the run, `odd` the pairs (-1, 0), (1, 2), ..., each [16 channels][2]; the other 16 channels go `next_tile` values
// further. A second run's pairs are interleaved, hence the stride of two pairs.
__attribute__((always_inline)) inline void pair_pixels(const Bf16* before, int64_t pixel, Bf16* even, Bf16* odd,
                                                       int64_t next_tile) {
  constexpr int64_t kTwoPairs = 2 * 32;
  const __m512i lower = alternating(0);
  const __m512i upper = alternating(16);
  __m512i left = _mm512_loadu_si512(before);
#pragma GCC unroll 17
  for (int i = 0; i < kRunPixels + 1; ++i) {
    const __m512i right = _mm512_loadu_si512(before + (i + 1) * pixel);
    Bf16* const to = (i % 2 == 0 ? odd : even) + i / 2 * kTwoPairs;
    _mm512_store_si512(to, _mm512_permutex2var_epi16(left, lower, right));
    _mm512_store_si512(to + next_tile, _mm512_permutex2var_epi16(left, upper, right));
    left = right;
  }
}

// Transposes a 16 x 16 matrix of 32-bit values, one row per vector.
__attribute__((always_inline)) inline void transpose(__m512i (&rows)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    rows[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

// 16 channels of a run of pixels; pixels not set in `kept` count as zeros.
struct RunPixels {
  const Bf16* first;
  uint32_t kept;
};

template <bool kKeepsAll>
__attribute__((always_inline)) inline __m512i load_pixel(const RunPixels& run, int i, int64_t pixel) {
  const auto* const from = reinterpret_cast<const __m256i*>(run.first + i * pixel);
  const bool is_kept = kKeepsAll || (run.kept >> i & 1u) != 0;
  return _mm512_castsi256_si512(is_kept ? _mm256_loadu_si256(from) : _mm256_setzero_si256());
}

// Transposes pixels x channels to channels x pixels, in the order of pair_pixels, and adds the pixels to the channel
// sums.
template <bool kKeepsAll>
__attribute__((always_inline)) inline void transpose_pixels(const RunPixels (&runs)[2], int64_t pixel, Bf16* to,
                                                            float* sums) {
  const __m512i lower = alternating(0);
  const auto ones = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f80));
  __m512i pairs[16];
  __m512 sum = _mm512_loadu_ps(sums);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const __m512i left = load_pixel<kKeepsAll>(runs[i % 2], i / 2 * 2, pixel);
    const __m512i right = load_pixel<kKeepsAll>(runs[i % 2], i / 2 * 2 + 1, pixel);
    pairs[i] = _mm512_permutex2var_epi16(left, lower, right);
    sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(pairs[i]), ones);
  }
  _mm512_storeu_ps(sums, sum);
  transpose(pairs);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) _mm512_store_si512(to + 32 * i, pairs[i]);
}

}  // namespace
}  // namespace sparsesr
