// Steps of int8 convolutions in vectors of 256 bits. Each including file compiles them for its own instruction set, so
// everything has internal linkage.
#pragma once

#include "kernels/conv/vectors_avx2.h"

namespace sparsesr {
namespace {

// As a float, compilers broadcast it from memory; as an integer, often by way of a register.
using FourBytes __attribute__((may_alias, aligned(1))) = float;

// A Product of four channels, but for the sum.
struct FourChannels {
  using Value = U8;
  static constexpr int kChannels = 4;
  static constexpr bool kWholeSums = true;

  static __m256i load(const U8* weights) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(weights)); }
  static __m256i broadcast(const U8* x) {
    return _mm256_castps_si256(_mm256_set1_ps(*reinterpret_cast<const FourBytes*>(x)));
  }
};

// Adds the products of four unsigned values and four weights in every lane, like vpdpbusd. Two at a time are added in 16
// bits, in which those of QuantisedWeights fit.
inline __m256i add_products(__m256i acc, __m256i values, __m256i weights) {
  const __m256i pairs = _mm256_maddubs_epi16(values, weights);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

}  // namespace
}  // namespace sparsesr
