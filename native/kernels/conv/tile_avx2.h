// Indirect convolution for AVX2 with FMA: 12 accumulators hold 6 pixels x 16 outputs. Each including file compiles it for
// its own instruction set, so everything has internal linkage.
#pragma once

#include <type_traits>

#include "kernels/conv/taps.h"
#include "kernels/conv/vectors_avx2.h"

namespace sparsesr {
namespace {

constexpr int kVectors = 2;
constexpr int kTilePixels = 6;

// A Product defines a step, as for AVX-512: one channel in fp32, four in int8, whose sums are whole numbers until they
// are finished.
template <typename Product, typename Out, int kPixels>
struct Tile {
  using In = typename Product::Value;

  static constexpr int kWeights = kLanes * Product::kChannels;  // of one step for one vector of outputs
  static constexpr int64_t kLineValues = 64 / sizeof(In);

  __m256 acc[kPixels][kVectors];

  __attribute__((always_inline)) void start(const ConvArgs& args, const ConvBlock& block,
                                            const int32_t* pixels) {
    if constexpr (Product::kWholeSums) return start_at(block.starts);
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256 bias = _mm256_load_ps(block.bias + v * kLanes);
#pragma GCC unroll 6
      for (int p = 0; p < kPixels; ++p) acc[p][v] = bias;
    }
    if (args.addend.data != nullptr) add_map(args.addend, block, pixels);
  }

  // Whole numbers are kept in the bits of `acc`.
  __attribute__((always_inline)) void start_at(const int32_t* starts) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256i start = _mm256_load_si256(reinterpret_cast<const __m256i*>(starts + v * kLanes));
#pragma GCC unroll 6
      for (int p = 0; p < kPixels; ++p) acc[p][v] = _mm256_castsi256_ps(start);
    }
  }

  // Adds fp32 values; maps of other types are added to nothing.
  __attribute__((always_inline)) void add_map(const NumberedMap& map, const ConvBlock& block, const int32_t* pixels) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256i valid = lanes_below(block.valid - v * kLanes);
      const bool all = block.valid >= (v + 1) * kLanes;
#pragma GCC unroll 6
      for (int p = 0; p < kPixels; ++p) {
        const float* added = pixel_of<const float>(map, pixels[p]) + block.first + v * kLanes;
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
#pragma GCC unroll 6
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

  __attribute__((always_inline)) void multiply_add(const ConvArgs& args, const ConvBlock& block,
                                                   const int32_t* pixels, const int32_t* next_pixels,
                                                   uint32_t taps) {
    const bool reads_first = block.first == 0;  // later blocks find the pixels in the cache
    const In* weights = static_cast<const In*>(block.weights);
    for (int i = 0; i < args.input_count; ++i) {
      const ConvInput& input = args.inputs[i];
      const In* x[kPixels];
#pragma GCC unroll 6
      for (int p = 0; p < kPixels; ++p) {
        x[p] = static_cast<const In*>(input.data) + (pixels[p] + input.shift) * input.stride;
      }
      for (int tap = 0; tap < args.tap_count; ++tap) {
        if (reads_first) prefetch(input, args.tap_pixels[tap], next_pixels);
        int64_t offset = args.tap_pixels[tap] * input.stride;
        const int64_t end = offset + ((taps >> tap & 1) != 0 ? input.channels : input.always);
        const In* w = weights;
        weights += (input.channels + Product::kChannels - 1) / Product::kChannels * kVectors * kWeights;
        for (; offset < end; offset += Product::kChannels, w += kVectors * kWeights) {
          const auto w0 = Product::load(w);
          const auto w1 = Product::load(w + kWeights);
#pragma GCC unroll 6
          for (int p = 0; p < kPixels; ++p) {
            const auto value = Product::broadcast(x[p] + offset);
            acc[p][0] = Product::add(acc[p][0], value, w0);
            acc[p][1] = Product::add(acc[p][1], value, w1);
          }
        }
      }
    }
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
#pragma GCC unroll 6
      for (int p = 0; p < kPixels; ++p) {
        __m256 value = activate(acc[p][v], args.activation, slopes);
        if (args.residual.data != nullptr) {
          const float* residual = pixel_of<const float>(args.residual, pixels[p]) + channel;
          value = _mm256_add_ps(value, load_lanes(residual, valid, all_valid));
        }
        value = _mm256_and_ps(value, _mm256_castsi256_ps(valid));
        if constexpr (std::is_same_v<Out, U8>) {
          value = _mm256_add_ps(value, _mm256_set1_ps(args.out_offset));
        }
        store_lanes(pixel_of<Out>(args.out, pixels[p]) + channel, stored, all_stored, value);
      }
    }
    if (block.is_last) clear_rest(args, block.first + kVectors * kLanes, pixels);
  }

  static void clear_rest(const ConvArgs& args, int64_t first, const int32_t* pixels) {
    for (int p = 0; p < kPixels; ++p) {
      Out* out = pixel_of<Out>(args.out, pixels[p]);
      for (int64_t c = first; c < args.clear_end; ++c) out[c] = narrow<Out>(args.out_offset);
    }
  }
};

template <typename Product, typename Out, int kPixels>
__attribute__((noinline)) void run_tile(const ConvArgs& args, const ConvBlock& block,
                                        const int32_t* in_pixels, const int32_t* next_pixels,
                                        const int32_t* out_pixels, uint32_t taps) {
  Tile<Product, Out, kPixels> tile;
  tile.start(args, block, out_pixels);
  tile.multiply_add(args, block, in_pixels, next_pixels, taps);
  tile.finish(args, block, out_pixels);
}

template <typename Product, typename Out>
void convolve(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count) {
  int64_t n = 0;
  for (; n + kTilePixels <= count; n += kTilePixels) {
    const int64_t next = n + 2 * kTilePixels <= count ? n + kTilePixels : n;
    const uint32_t taps = taps_of_any(args, n, kTilePixels);
    run_tile<Product, Out, kTilePixels>(args, block, in_pixels + n, in_pixels + next, out_pixels + n, taps);
  }
  const uint32_t taps = taps_of_any(args, n, count - n);
  const int32_t* in = in_pixels + n;
  const int32_t* out = out_pixels + n;
  switch (count - n) {
    case 5: return run_tile<Product, Out, 5>(args, block, in, in, out, taps);
    case 4: return run_tile<Product, Out, 4>(args, block, in, in, out, taps);
    case 3: return run_tile<Product, Out, 3>(args, block, in, in, out, taps);
    case 2: return run_tile<Product, Out, 2>(args, block, in, in, out, taps);
    case 1: return run_tile<Product, Out, 1>(args, block, in, in, out, taps);
    default: return;
  }
}

}  // namespace
}  // namespace sparsesr
