// Indirect convolution with dense weights for AVX2 with FMA: 12 accumulators hold 6 pixels x 16 outputs, or 12 pixels x 8
// outputs if there are no more. Internal linkage, because including files differ in their instruction sets.
#pragma once

#include "kernels/conv/taps.h"
#include "kernels/conv/tile_avx2.h"

namespace sparsesr {
namespace {

constexpr int kVectors = 2;  // of weights; the second one of a block may be empty
constexpr int kSums = 12;

template <typename Product, typename Out, int kUsed, int kPixels>
__attribute__((always_inline)) inline void multiply_add(Tile<Product, Out, kUsed, kPixels>& tile,
                                                        const ConvArgs& args, const ConvBlock& block,
                                                        const int32_t* pixels, const int32_t* next_pixels,
                                                        uint32_t taps) {
  using In = typename Product::Value;
  constexpr int kWeights = kLanes * Product::kChannels;  // of one step for one vector of outputs
  // Later blocks find the pixels in the cache, and consecutive pixels are prefetched by the hardware.
  const bool prefetches = block.first == 0 && next_pixels[kPixels - 1] - pixels[0] != 2 * kPixels - 1;
  const In* weights = static_cast<const In*>(block.weights);
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const In* x[kPixels];
#pragma GCC unroll 12
    for (int p = 0; p < kPixels; ++p) {
      x[p] = static_cast<const In*>(input.data) + (pixels[p] + input.shift) * input.stride;
    }
    for (int tap = 0; tap < args.tap_count; ++tap) {
      if (prefetches) tile.prefetch(input, args.tap_pixels[tap], next_pixels);
      int64_t offset = args.tap_pixels[tap] * input.stride;
      const int64_t end = offset + ((taps >> tap & 1) != 0 ? input.channels : input.always);
      const In* w = weights;
      weights += (input.channels + Product::kChannels - 1) / Product::kChannels * kVectors * kWeights;
      for (; offset < end; offset += Product::kChannels, w += kVectors * kWeights) {
        const auto w0 = Product::load(w);
        const auto w1 = Product::load(w + (kUsed - 1) * kWeights);
#pragma GCC unroll 12
        for (int p = 0; p < kPixels; ++p) {
          const auto value = Product::broadcast(x[p] + offset);
          tile.acc[p][0] = Product::add(tile.acc[p][0], value, w0);
          if constexpr (kUsed == 2) tile.acc[p][1] = Product::add(tile.acc[p][1], value, w1);
        }
      }
    }
  }
}

template <typename Product, typename Out, int kUsed, int kPixels>
__attribute__((noinline)) void run_tile(const ConvArgs& args, const ConvBlock& block,
                                        const int32_t* in_pixels, const int32_t* next_pixels,
                                        const int32_t* out_pixels, uint32_t taps) {
  Tile<Product, Out, kUsed, kPixels> tile;
  tile.prefetch_output(args, block, out_pixels);
  tile.start(args, block, out_pixels);
  multiply_add(tile, args, block, in_pixels, next_pixels, taps);
  tile.finish(args, block, out_pixels);
}

// Tiles of kPixels, then smaller ones, for the pixels from n on.
template <typename Product, typename Out, int kUsed, int kPixels>
void run_tiles(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
               int64_t n, int64_t count) {
  for (; n + kPixels <= count; n += kPixels) {
    const int64_t next = n + 2 * kPixels <= count ? n + kPixels : n;
    const uint32_t taps = taps_of_any(args, n, kPixels);
    run_tile<Product, Out, kUsed, kPixels>(args, block, in_pixels + n, in_pixels + next, out_pixels + n, taps);
  }
  if constexpr (kPixels > 1) {
    constexpr int kFewer = kPixels > kSums / 2 ? kSums / 2 : kPixels - 1;
    if (n < count) run_tiles<Product, Out, kUsed, kFewer>(args, block, in_pixels, out_pixels, n, count);
  }
}

template <typename Product, typename Out>
void convolve(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count) {
  if (block.valid <= kLanes) return run_tiles<Product, Out, 1, kSums>(args, block, in_pixels, out_pixels, 0, count);
  run_tiles<Product, Out, 2, kSums / 2>(args, block, in_pixels, out_pixels, 0, count);
}

}  // namespace
}  // namespace sparsesr
