// Accumulators of convolutions for AVX2 with FMA: all that happens to them but the products. Each including file compiles
// them for its own instruction set, so everything has internal linkage.
#pragma once

#include <type_traits>

#include "kernels/conv/cleared.h"
#include "kernels/conv/pixel_places.h"
#include "kernels/conv/vectors_avx2.h"

namespace sparsesr {
namespace {

// Vectors x pixels accumulators of one pixel group.
//
// A Product defines a step, as for AVX-512: one channel in fp32, four in int8, whose sums are whole numbers until they
// are finished.
template <typename Product, typename Out, int kVectors, int kPixels>
struct Tile {
  using In = typename Product::Value;

  // Maps that are added have the type of `out`; nothing is added to one of type U8.
  using Added = std::conditional_t<std::is_same_v<Out, U8>, float, Out>;

  static constexpr int64_t kLineValues = 64 / sizeof(In);

  __m256 acc[kPixels][kVectors];

  __attribute__((always_inline)) void start(const ConvArgs& args, const ConvBlock& block,
                                            const int32_t* pixels) {
    if constexpr (Product::kWholeSums) return start_at(block.starts);
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256 bias = _mm256_load_ps(block.bias + v * kLanes);
#pragma GCC unroll 12
      for (int p = 0; p < kPixels; ++p) acc[p][v] = bias;
    }
    if (args.addend.data != nullptr) add_map(args.addend, block, pixels);
  }

  // Whole numbers are kept in the bits of `acc`.
  __attribute__((always_inline)) void start_at(const int32_t* starts) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256i start = _mm256_load_si256(reinterpret_cast<const __m256i*>(starts + v * kLanes));
#pragma GCC unroll 12
      for (int p = 0; p < kPixels; ++p) acc[p][v] = _mm256_castsi256_ps(start);
    }
  }

  // Adds the values of a map.
  __attribute__((always_inline)) void add_map(const NumberedMap& map, const ConvBlock& block, const int32_t* pixels) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256i valid = lanes_below(block.valid - v * kLanes);
      const bool all = block.valid >= (v + 1) * kLanes;
#pragma GCC unroll 12
      for (int p = 0; p < kPixels; ++p) {
        const auto* added = pixel_of<const Added>(map, pixels[p]) + block.first + v * kLanes;
        acc[p][v] = _mm256_add_ps(acc[p][v], load_lanes(added, valid, all));
      }
    }
  }

  // Turns whole sums into values.
  __attribute__((always_inline)) void scale_sums(const ConvArgs& args, const ConvBlock& block, const int32_t* pixels) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      __m256 scale = _mm256_load_ps(block.scales + v * kLanes);
      __m256 bias = _mm256_load_ps(block.bias + v * kLanes);
      if constexpr (std::is_same_v<Out, U8>) {
        scale = _mm256_mul_ps(scale, _mm256_set1_ps(args.out_factor));
        bias = _mm256_mul_ps(bias, _mm256_set1_ps(args.out_factor));
      }
#pragma GCC unroll 12
      for (int p = 0; p < kPixels; ++p) {
        const __m256 sum = _mm256_cvtepi32_ps(_mm256_castps_si256(acc[p][v]));
        acc[p][v] = _mm256_add_ps(_mm256_mul_ps(sum, scale), bias);
      }
    }
    if (args.addend.data != nullptr) add_map(args.addend, block, pixels);
  }

  // Prefetches what the next pixel group reads at one tap: sparse lists have no pattern that the hardware prefetcher
  // could predict. Into L2 only, because the weights stream through L1.
  static __attribute__((always_inline)) void prefetch(const ConvInput& input, int64_t tap_pixels,
                                                      const int32_t* next_pixels) {
    for (int p = 0; p < kPixels; ++p) {
      const int64_t pixel = next_pixels[p] + input.shift + tap_pixels;
      const In* x = static_cast<const In*>(input.data) + pixel * input.stride;
      for (int64_t c = 0; c < input.channels; c += kLineValues) _mm_prefetch(x + c, _MM_HINT_T1);
    }
  }

  // Prefetches the cache lines that the tile will write, which often hold its residuals, well in advance.
  static __attribute__((always_inline)) void prefetch_output(const ConvArgs& args, const ConvBlock& block,
                                                             const int32_t* pixels) {
    for (int p = 0; p < kPixels; ++p) __builtin_prefetch(pixel_of<const Out>(args.out, pixels[p]) + block.first, 1);
  }

  __attribute__((always_inline)) void finish(const ConvArgs& args, const ConvBlock& block,
                                             const int32_t* pixels) {
    if constexpr (Product::kWholeSums) scale_sums(args, block, pixels);
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
          const auto* residual = pixel_of<const Added>(args.residual, pixels[p]) + channel;
          value = _mm256_add_ps(value, load_lanes(residual, valid, all_valid));
        }
        value = _mm256_and_ps(value, _mm256_castsi256_ps(valid));
        if constexpr (std::is_same_v<Out, U8>) {
          value = _mm256_add_ps(value, _mm256_set1_ps(args.out_offset));
        }
        acc[p][v] = value;
      }
      // Afterwards: results may take the place of residuals, and a pixel may be listed twice.
#pragma GCC unroll 12
      for (int p = 0; p < kPixels; ++p) {
        store_lanes(pixel_of<Out>(args.out, pixels[p]) + channel, stored, all_stored, acc[p][v]);
      }
    }
    clear_rest(args, block, pixels);
  }

  // Clears the outputs of the block that the tile leaves out, and what the last block clears beyond.
  static void clear_rest(const ConvArgs& args, const ConvBlock& block, const int32_t* pixels) {
    const int64_t end = written_end(args, block);
    const __m256 cleared = _mm256_set1_ps(args.out_offset);
    for (int64_t c = block.first + kVectors * kLanes; c < end; c += kLanes) {
      const __m256i lanes = lanes_below(end - c);
      for (int p = 0; p < kPixels; ++p) {
        store_lanes(pixel_of<Out>(args.out, pixels[p]) + c, lanes, end - c >= kLanes, cleared);
      }
    }
  }
};

}  // namespace
}  // namespace sparsesr
