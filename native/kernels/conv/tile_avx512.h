// Indirect convolution for AVX-512: 24 accumulators hold 6 pixels x 64 outputs (or 8 x 48, 12 x 32, 24 x 16).
//
// Per step of the sum: one weight vector per 16 outputs, one broadcast per pixel, 24 multiply-adds. A block's weights
// stream from L2 once per tile; the pixels come from L1. (Keeping part of the weights in L1 across several tiles was
// slower: their accumulators must be stored and reloaded more often.)
//
// A Product defines a step: one channel in fp32, a pair of channels in bf16, four in int8, whose sums are whole numbers
// until they are finished.
#pragma once

#include <type_traits>

#include "kernels/conv/lanes_avx512.h"
#include "kernels/conv/pixel_places.h"
#include "kernels/conv/taps.h"
#include "kernels/conv/vectors_avx512.h"

namespace sparsesr {
namespace {

constexpr int kAccumulators = 24;
constexpr int kPointersInRegisters = 8;
constexpr int kSmallestTail = 3;

// Vectors x pixels accumulators of one pixel group; all loops over them unroll into registers.
template <typename Product, typename Out, int kVectors, int kPixels, typename Places>
struct Tile {
  using In = typename Product::Value;

  // Steps per iteration: pointers that do not fit in registers are then loaded less often.
  static constexpr int kSteps = kVectors == 1 ? 4 : (kVectors == 2 ? 2 : 1);

  // Weights of one step for one vector of outputs.
  static constexpr int kWeights = kLanes * Product::kChannels;
  static constexpr int64_t kLineValues = 64 / sizeof(In);

  __m512 acc[kPixels][kVectors];

  __attribute__((always_inline)) void start(const ConvArgs& args, const ConvBlock& block,
                                            const int32_t* pixels) {
    if constexpr (Product::kWholeSums) return start_at(block.starts);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512 bias = _mm512_load_ps(block.bias + v * kLanes);
#pragma GCC unroll 24
      for (int p = 0; p < kPixels; ++p) acc[p][v] = bias;
    }
    if (args.addend.data != nullptr) add_map(args.addend, block, pixels);
  }

  // Whole numbers are kept in the bits of `acc`.
  __attribute__((always_inline)) void start_at(const int32_t* starts) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512 start = _mm512_load_ps(starts + v * kLanes);
#pragma GCC unroll 24
      for (int p = 0; p < kPixels; ++p) acc[p][v] = start;
    }
  }

  // kCount steps from channel `offset`; the order of additions within an accumulator is fixed.
  template <int kCount>
  __attribute__((always_inline)) void step(const Places& x, int64_t offset, const In* weights) {
    typename Product::Vector w[kCount][kVectors];
#pragma GCC unroll 4
    for (int s = 0; s < kCount; ++s) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) w[s][v] = Product::load(weights + (s * kVectors + v) * kWeights);
    }
#pragma GCC unroll 24
    for (int first = 0; first < kPixels; first += kPointersInRegisters) {
      const int end = first + kPointersInRegisters < kPixels ? first + kPointersInRegisters : kPixels;
#pragma GCC unroll 4
      for (int s = 0; s < kCount; ++s) {
#pragma GCC unroll 24
        for (int p = first; p < end; ++p) {
          const auto value = Product::broadcast(x.at(p) + offset + s * Product::kChannels);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) acc[p][v] = Product::add(acc[p][v], value, w[s][v]);
        }
      }
    }
  }

  // Prefetches the cache lines that the tile will write, well in advance.
  static __attribute__((always_inline)) void prefetch_output(const ConvArgs& args, const ConvBlock& block,
                                                             const int32_t* pixels) {
    const int64_t end = block.is_last ? args.clear_end : block.first + kVectors * kLanes;
    for (int p = 0; p < kPixels; ++p) {
      const Out* out = pixel_of<const Out>(args.out, pixels[p]);
      for (int64_t c = block.first; c < end; c += kLanes) __builtin_prefetch(out + c, 1);
    }
  }

  __attribute__((always_inline)) void multiply_add(const ConvArgs& args, const ConvBlock& block,
                                                   const int32_t* pixels, const int32_t* next_pixels,
                                                   uint32_t taps) {
    const In* weights = static_cast<const In*>(block.weights);
    for (int i = 0; i < args.input_count; ++i) {
      const ConvInput& input = args.inputs[i];
      const Places x(input, pixels);
      const Places next(input, next_pixels);
      for (int tap = 0; tap < args.tap_count; ++tap) {
        const int64_t offset = args.tap_pixels[tap] * input.stride;
        if constexpr (std::is_same_v<Places, Scattered<In, kPixels>>) prefetch(next, offset, input.channels);
        add_channels(x, offset, (taps >> tap & 1) != 0 ? input.channels : input.always, weights);
        weights += (input.channels + Product::kChannels - 1) / Product::kChannels * kVectors * kWeights;
      }
    }
  }

  // Prefetches what the next tile reads at one tap: sparse lists have no pattern that the hardware prefetcher could
  // predict. Into L2 only, because the weights stream through L1.
  static __attribute__((always_inline)) void prefetch(const Places& x, int64_t offset, int64_t channels) {
    for (int64_t c = 0; c < channels; c += kLineValues) {
#pragma GCC unroll 24
      for (int p = 0; p < kPixels; ++p) _mm_prefetch(x.at(p) + offset + c, _MM_HINT_T1);
    }
  }

  // Adds the channels of one tap.
  __attribute__((always_inline)) void add_channels(const Places& x, int64_t offset, int64_t channels,
                                                   const In* weights) {
    constexpr int64_t kTogether = kSteps * Product::kChannels;
    const int64_t end = offset + channels;
    for (; offset + kTogether <= end; offset += kTogether, weights += kSteps * kVectors * kWeights) {
      step<kSteps>(x, offset, weights);
    }
    for (; kTogether > 1 && offset < end; offset += Product::kChannels, weights += kVectors * kWeights) {
      step<1>(x, offset, weights);
    }
  }

  // Turns whole sums into values.
  __attribute__((always_inline)) void scale_sums(const ConvArgs& args, const ConvBlock& block, const int32_t* pixels) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      __m512 scale = _mm512_load_ps(block.scales + v * kLanes);
      __m512 bias = _mm512_load_ps(block.bias + v * kLanes);
      if constexpr (std::is_same_v<Out, U8>) {
        scale = _mm512_mul_ps(scale, _mm512_set1_ps(args.out_factor));
        bias = _mm512_mul_ps(bias, _mm512_set1_ps(args.out_factor));
      }
#pragma GCC unroll 24
      for (int p = 0; p < kPixels; ++p) {
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_castps_si512(acc[p][v]));
        acc[p][v] = _mm512_add_ps(_mm512_mul_ps(sum, scale), bias);
      }
    }
    if (args.addend.data != nullptr) add_map(args.addend, block, pixels);
  }

  __attribute__((always_inline)) void add_offset(float value) {
    const __m512 offset = _mm512_set1_ps(value);
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[p][v] = _mm512_add_ps(acc[p][v], offset);
    }
  }

  __attribute__((always_inline)) void finish(const ConvArgs& args, const ConvBlock& block,
                                             const int32_t* pixels) {
    if constexpr (Product::kWholeSums) scale_sums(args, block, pixels);
    if (args.activation == Activation::kRelu) relu_all();
    if (args.activation == Activation::kLeakyRelu) leaky_relu_all(args, block);
    if (args.residual.data != nullptr) add_map(args.residual, block, pixels);
    if constexpr (std::is_same_v<Out, U8>) add_offset(args.out_offset);
    Out* out[kPixels];
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) {
      out[p] = pixel_of<Out>(args.out, pixels[p]) + block.first;
    }
    const bool is_full = block.valid == kVectors * kLanes;
    if (is_full) {
#pragma GCC unroll 24
      for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) store_all(out[p] + v * kLanes, acc[p][v]);
      }
    } else {
      store_some(out, block.valid, args.out.stride - block.first, args.out_offset);
    }
    if (!block.is_last || block.first + kVectors * kLanes >= args.clear_end) return;
    for (int p = 0; p < kPixels; ++p) {
      clear_channels(pixel_of<Out>(args.out, pixels[p]), block.first + kVectors * kLanes, args.clear_end,
                     args.out_offset);
    }
  }

  __attribute__((always_inline)) void relu_all() {
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[p][v] = relu(acc[p][v]);
    }
  }

  __attribute__((always_inline)) void leaky_relu_all(const ConvArgs& args, const ConvBlock& block) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __mmask16 valid = lanes_below(block.valid - v * kLanes);
      const __m512 slopes = load_slopes(args, block.first + v * kLanes, valid);
#pragma GCC unroll 24
      for (int p = 0; p < kPixels; ++p) acc[p][v] = leaky_relu(acc[p][v], slopes);
    }
  }

  __attribute__((always_inline)) void add_map(const NumberedMap& map, const ConvBlock& block, const int32_t* pixels) {
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) {
      const Out* added = pixel_of<const Out>(map, pixels[p]) + block.first;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const __mmask16 valid = lanes_below(block.valid - v * kLanes);
        acc[p][v] = _mm512_add_ps(acc[p][v], load_lanes(added + v * kLanes, valid));
      }
    }
  }

  // Stores the existing channels, and zeros beyond them as far as the pixel has room.
  __attribute__((always_inline)) void store_some(Out* const* out, int64_t valid, int64_t room, float zero) const {
    const __m512 zeros = _mm512_set1_ps(zero);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __mmask16 existing = lanes_below(valid - v * kLanes);
      const __mmask16 stored = lanes_below(room - v * kLanes);
#pragma GCC unroll 24
      for (int p = 0; p < kPixels; ++p) {
        store_lanes(out[p] + v * kLanes, stored, _mm512_mask_mov_ps(zeros, existing, acc[p][v]));
      }
    }
  }
};

using RunTile = void(const ConvArgs&, const ConvBlock&, const int32_t*, const int32_t*, const int32_t*,
                     uint32_t);

template <typename Product, typename Out, int kVectors, int kPixels,
          typename Places = Scattered<typename Product::Value, kPixels>>
__attribute__((noinline)) void run_tile(const ConvArgs& args, const ConvBlock& block,
                                        const int32_t* in_pixels, const int32_t* next_pixels,
                                        const int32_t* out_pixels, uint32_t taps) {
  Tile<Product, Out, kVectors, kPixels, Places> tile;
  tile.prefetch_output(args, block, out_pixels);
  tile.start(args, block, out_pixels);
  tile.multiply_add(args, block, in_pixels, next_pixels, taps);
  tile.finish(args, block, out_pixels);
}

// Handles fewer pixels than a tile holds: uses the smallest sufficient half or quarter tile and repeats its last pixel.
// Repeats are safe, because a tile reads all addends before it writes.
template <typename Product, typename Out, int kVectors, int kPixels>
void run_tail(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
              const int32_t* out_pixels, int64_t count, uint32_t taps) {
  if constexpr (kPixels % 2 == 0 && kPixels > kSmallestTail) {
    if (count <= kPixels / 2) {
      return run_tail<Product, Out, kVectors, kPixels / 2>(args, block, in_pixels, out_pixels, count, taps);
    }
  }
  int32_t in[kPixels];
  int32_t out[kPixels];
  repeat_last(in_pixels, count, kPixels, in);
  repeat_last(out_pixels, count, kPixels, out);
  run_tile<Product, Out, kVectors, kPixels>(args, block, in, in, out, taps);
}

// Specialisation for a full tile of adjacent pixels, where worthwhile: tiles of many pixels spend loads on pointers
// that adjacent pixels do not need.
template <typename Product, typename Out, int kVectors, int kPixels>
RunTile* side_by_side_tile(const ConvArgs& args) {
  using In = typename Product::Value;
  if constexpr (kPixels > kPointersInRegisters) {
    const int64_t stride = common_stride(args);
    if constexpr (kVectors == 1 && std::is_same_v<In, float>) {
      if (stride == kImageStride) return run_tile<Product, Out, kVectors, kPixels, SideBySide<In, kImageStride>>;
    }
    switch (stride) {
      case 16: return run_tile<Product, Out, kVectors, kPixels, SideBySide<In, 16>>;
      case 32: return run_tile<Product, Out, kVectors, kPixels, SideBySide<In, 32>>;
      case 64: return run_tile<Product, Out, kVectors, kPixels, SideBySide<In, 64>>;
      default: break;
    }
  }
  return run_tile<Product, Out, kVectors, kPixels>;
}

template <typename Product, typename Out, int kVectors>
void run_block(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
               const int32_t* out_pixels, int64_t count) {
  constexpr int kPixels = kAccumulators / kVectors;
  RunTile* const run_scattered = run_tile<Product, Out, kVectors, kPixels>;
  RunTile* const run_side_by_side = side_by_side_tile<Product, Out, kVectors, kPixels>(args);
  int64_t n = 0;
  for (; n + kPixels <= count; n += kPixels) {
    const int32_t* next_pixels = in_pixels + (n + 2 * kPixels <= count ? n + kPixels : n);
    RunTile* const run = are_side_by_side<kPixels>(in_pixels + n) ? run_side_by_side : run_scattered;
    run(args, block, in_pixels + n, next_pixels, out_pixels + n, taps_of_any(args, n, kPixels));
  }
  if (n < count) {
    const uint32_t taps = taps_of_any(args, n, count - n);
    run_tail<Product, Out, kVectors, kPixels>(args, block, in_pixels + n, out_pixels + n, count - n, taps);
  }
}

// Vectors in the widest block that weights are packed in: 4, unless the Product says otherwise.
template <typename Product>
constexpr int most_vectors() {
  if constexpr (requires { Product::kMostVectors; }) return Product::kMostVectors;
  return 4;
}

template <typename Product, typename Out>
void convolve(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
              const int32_t* out_pixels, int64_t count) {
  if constexpr (!Product::kWholeSums) {
    if (block.layout_steps > 0) return run_lanes<Product, Out>(args, block, in_pixels, out_pixels, count);
  }
  const int64_t vectors = block.width / kLanes;
  if (vectors == 1) return run_block<Product, Out, 1>(args, block, in_pixels, out_pixels, count);
  if (vectors == 2) return run_block<Product, Out, 2>(args, block, in_pixels, out_pixels, count);
  if constexpr (most_vectors<Product>() > 2) {
    if (vectors == 3) return run_block<Product, Out, 3>(args, block, in_pixels, out_pixels, count);
    return run_block<Product, Out, 4>(args, block, in_pixels, out_pixels, count);
  }
}

}  // namespace
}  // namespace sparsesr
