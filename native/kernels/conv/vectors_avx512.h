// Helpers of the AVX-512 convolutions. Each including file compiles them for its own instruction set, so everything has
// internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/conv/conv.h"

namespace sparsesr {
namespace {

constexpr int kLanes = 16;

inline __mmask16 lanes_below(int64_t count) {
  if (count >= kLanes) return 0xffff;
  return count <= 0 ? 0 : static_cast<__mmask16>((1u << count) - 1u);
}

// Slopes of the outputs from `first`; only those in `lanes` exist.
inline __m512 load_slopes(const ConvArgs& args, int64_t first, __mmask16 lanes) {
  return args.slopes == nullptr ? _mm512_set1_ps(args.slope)
                                : _mm512_maskz_loadu_ps(lanes, args.slopes + first);
}

// This operand order propagates NaN.
inline __m512 relu(__m512 value) { return _mm512_max_ps(_mm512_setzero_ps(), value); }

inline __m512 leaky_relu(__m512 value, __m512 slopes) {
  const __mmask16 negative = _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_LT_OQ);
  return _mm512_mask_mul_ps(value, negative, value, slopes);
}

inline __m512 activate(__m512 value, Activation activation, __m512 slopes) {
  if (activation == Activation::kRelu) return relu(value);
  if (activation == Activation::kNone) return value;
  return leaky_relu(value, slopes);
}

// Loads sixteen values of a map; lanes outside `lanes` are zero.
inline __m512 load_lanes(const float* source, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, source); }

inline __m512 load_lanes(const Bf16* source, __mmask16 lanes) {
  const __m512i bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, source));
  return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}

inline __m512 load_lanes(const U8* source, __mmask16 lanes) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, source)));
}

inline void store_lanes(float* target, __mmask16 lanes, __m512 value) {
  _mm512_mask_storeu_ps(target, lanes, value);
}

// Rounds like narrow<Bf16>.
inline void store_lanes(Bf16* target, __mmask16 lanes, __m512 value) {
  const __m512i bits = _mm512_castps_si512(value);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_or_epi32(rounded, is_nan, bits, _mm512_set1_epi32(0x400000));
  _mm256_mask_storeu_epi16(target, lanes, _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16)));
}

// Like narrow<U8>: this operand order makes NaN 0; values too large for an integer become the largest unsigned one.
inline void store_lanes(U8* target, __mmask16 lanes, __m512 value) {
  const __m512 above = _mm512_max_ps(value, _mm512_setzero_ps());
  _mm_mask_storeu_epi8(target, lanes, _mm512_cvtusepi32_epi8(_mm512_cvttps_epi32(above)));
}

inline void store_all(float* target, __m512 value) { _mm512_storeu_ps(target, value); }
inline void store_all(Bf16* target, __m512 value) { store_lanes(target, 0xffff, value); }
inline void store_all(U8* target, __m512 value) {
  const __m512 above = _mm512_max_ps(value, _mm512_setzero_ps());
  _mm_storeu_si128(reinterpret_cast<__m128i*>(target), _mm512_cvtusepi32_epi8(_mm512_cvttps_epi32(above)));
}

// Clears channels `first` to `end`, by writing what stands for zero.
template <typename Out>
void clear_channels(Out* pixel, int64_t first, int64_t end, float zero = 0.0f) {
  for (; first < end; first += kLanes) {
    store_lanes(pixel + first, lanes_below(end - first), _mm512_set1_ps(zero));
  }
}

}  // namespace
}  // namespace sparsesr
