// Accumulators of the AVX2 convolutions: start, end, and prefetch of their pixels. Internal linkage, because including
// files differ in their instruction sets.
#pragma once

#include <immintrin.h>

#include "kernels/conv/conv.h"
#include "kernels/conv/pixel_places.h"

namespace sparsesr {
namespace {

constexpr int kLanes = 8;

// All bits set in the lanes below `count`.
__m256i lanes_below(int64_t count) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const int limit = count > kLanes ? kLanes : static_cast<int>(count);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), index);
}

inline __m256 load_lanes(const float* source, __m256i lanes, bool all) {
  return all ? _mm256_loadu_ps(source) : _mm256_maskload_ps(source, lanes);
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

// Vectors x pixels accumulators of one pixel group.
template <int kVectors, int kPixels>
struct Tile {
  __m256 acc[kPixels][kVectors];

  __attribute__((always_inline)) void start(const ConvArgs& args, const ConvBlock& block,
                                            const int32_t* pixels) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256 bias = _mm256_load_ps(block.bias + v * kLanes);
#pragma GCC unroll 12
      for (int p = 0; p < kPixels; ++p) acc[p][v] = bias;
    }
    if (args.addend.data == nullptr) return;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256i valid = lanes_below(block.valid - v * kLanes);
      const bool all = block.valid >= (v + 1) * kLanes;
#pragma GCC unroll 12
      for (int p = 0; p < kPixels; ++p) {
        const float* addend = pixel_of<const float>(args.addend, pixels[p]) + block.first + v * kLanes;
        acc[p][v] = _mm256_add_ps(acc[p][v], load_lanes(addend, valid, all));
      }
    }
  }

  // Prefetches what the next pixel group reads at one tap: sparse lists have no pattern that the hardware prefetcher
  // could predict. Into L2 only, because the weights stream through L1.
  static __attribute__((always_inline)) void prefetch(const ConvInput& input, int64_t tap_pixels,
                                                      const int32_t* next_pixels) {
    for (int p = 0; p < kPixels; ++p) {
      const int64_t pixel = next_pixels[p] + input.shift + tap_pixels;
      const float* x = static_cast<const float*>(input.data) + pixel * input.stride;
      for (int64_t c = 0; c < input.channels; c += kLineFloats) _mm_prefetch(x + c, _MM_HINT_T1);
    }
  }

  __attribute__((always_inline)) void finish(const ConvArgs& args, const ConvBlock& block,
                                             const int32_t* pixels) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const int64_t channel = block.first + v * kLanes;
      if (channel >= args.out.stride) return;
      const __m256i valid = lanes_below(block.valid - v * kLanes);
      const bool all_valid = block.valid >= (v + 1) * kLanes;
      const __m256i stored = lanes_below(args.out.stride - channel);
      const bool all_stored = args.out.stride - channel >= kLanes;
      const __m256 slopes = load_slopes(args, channel, valid, all_valid);
#pragma GCC unroll 12
      for (int p = 0; p < kPixels; ++p) {
        __m256 value = activate(acc[p][v], args.activation, slopes);
        if (args.residual.data != nullptr) {
          const float* residual = pixel_of<const float>(args.residual, pixels[p]) + channel;
          value = _mm256_add_ps(value, load_lanes(residual, valid, all_valid));
        }
        value = _mm256_and_ps(value, _mm256_castsi256_ps(valid));
        float* out = pixel_of<float>(args.out, pixels[p]) + channel;
        if (all_stored) {
          _mm256_storeu_ps(out, value);
        } else {
          _mm256_maskstore_ps(out, stored, value);
        }
      }
    }
    if (block.is_last) clear_rest(args, block.first + kVectors * kLanes, pixels);
  }

  static void clear_rest(const ConvArgs& args, int64_t first, const int32_t* pixels) {
    for (int p = 0; p < kPixels; ++p) {
      float* out = pixel_of<float>(args.out, pixels[p]);
      for (int64_t c = first; c < args.clear_end; ++c) out[c] = 0.0f;
    }
  }
};

}  // namespace
}  // namespace sparsesr
