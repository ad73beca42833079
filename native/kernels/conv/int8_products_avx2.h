// Products of int8 with AVX2 alone. Internal linkage, like all code that kernels share.
#pragma once

#include <immintrin.h>

namespace sparsesr {
namespace {

// Adds the products of four unsigned values and four weights in every lane, like vpdpbusd. Two at a time are added in 16
// bits, in which those of QuantisedWeights fit.
inline __m256i add_products(__m256i acc, __m256i values, __m256i weights) {
  const __m256i pairs = _mm256_maddubs_epi16(values, weights);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

}  // namespace
}  // namespace sparsesr
