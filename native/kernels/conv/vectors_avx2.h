// Helpers of the AVX2 kernels. Each including file compiles them for its own instruction set, so everything has internal
// linkage.
#pragma once

#include <immintrin.h>

#include "kernels/conv/conv.h"

namespace sparsesr {
namespace {

constexpr int kLanes = 8;

// All bits set in the lanes below `count`.
inline __m256i lanes_below(int64_t count) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const int limit = count > kLanes ? kLanes : static_cast<int>(count);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), index);
}

inline __m256 load_all(const float* source) { return _mm256_loadu_ps(source); }
inline __m256 load_all(const Bf16* source) {
  const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
}

// Lanes outside `lanes` are zero.
inline __m256 load_lanes(const float* source, __m256i lanes, bool all) {
  return all ? load_all(source) : _mm256_maskload_ps(source, lanes);
}

inline __m256 load_lanes(const Bf16* source, __m256i lanes, bool all) {
  if (all) return load_all(source);
  float values[kLanes];
  const int inside = _mm256_movemask_ps(_mm256_castsi256_ps(lanes));
  for (int i = 0; i < kLanes; ++i) values[i] = (inside >> i & 1) != 0 ? widen(source[i]) : 0.0f;
  return _mm256_loadu_ps(values);
}

// Stores the lanes in `lanes`.
inline void store_lanes(float* target, __m256i lanes, bool all, __m256 value) {
  if (all) {
    _mm256_storeu_ps(target, value);
  } else {
    _mm256_maskstore_ps(target, lanes, value);
  }
}

// Rounds like narrow<Bf16>.
inline void store_lanes(Bf16* target, __m256i lanes, bool all, __m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256 is_nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
  const __m256 kept = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), is_nan);
  const __m256i upper = _mm256_srli_epi32(_mm256_castps_si256(kept), 16);
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
  if (all) return _mm_storeu_si128(reinterpret_cast<__m128i*>(target), words);
  Bf16 values[kLanes];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(values), words);
  const int inside = _mm256_movemask_ps(_mm256_castsi256_ps(lanes));
  for (int i = 0; i < kLanes; ++i) {
    if ((inside >> i & 1) != 0) target[i] = values[i];
  }
}

// All lanes: pixels have room for a multiple of 16 values. Like narrow<U8>; this operand order makes NaN 0.
inline void store_lanes(U8* target, __m256i, bool, __m256 value) {
  const __m256 above = _mm256_max_ps(value, _mm256_setzero_ps());
  const __m256 inside = _mm256_min_ps(above, _mm256_set1_ps(255.0f));
  const __m256i steps = _mm256_cvttps_epi32(inside);
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(steps), _mm256_extracti128_si256(steps, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(target), _mm_packus_epi16(words, words));
}

// Slopes of the outputs from `first` on.
inline __m256 load_slopes(const ConvArgs& args, int64_t first, __m256i valid, bool all_valid) {
  if (args.slopes == nullptr) return _mm256_set1_ps(args.slope);
  return load_lanes(args.slopes + first, valid, all_valid);
}

inline __m256 activate(__m256 value, Activation activation, __m256 slopes) {
  const __m256 zero = _mm256_setzero_ps();
  if (activation == Activation::kRelu) return _mm256_max_ps(zero, value);  // this operand order propagates NaN
  if (activation == Activation::kNone) return value;
  const __m256 negative = _mm256_cmp_ps(value, zero, _CMP_LT_OQ);
  return _mm256_blendv_ps(value, _mm256_mul_ps(value, slopes), negative);
}

}  // namespace
}  // namespace sparsesr
