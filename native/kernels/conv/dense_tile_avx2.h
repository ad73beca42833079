// Indirect convolution with dense weights for AVX2 with FMA: 12 accumulators hold 6 pixels x 16 outputs. Internal linkage,
// because including files differ in their instruction sets.
#pragma once

#include "kernels/conv/taps.h"
#include "kernels/conv/tile_avx2.h"

namespace sparsesr {
namespace {

constexpr int kVectors = 2;
constexpr int kTilePixels = 6;

template <typename Product, typename Out, int kPixels>
__attribute__((always_inline)) inline void multiply_add(Tile<Product, Out, kVectors, kPixels>& tile,
                                                        const ConvArgs& args, const ConvBlock& block,
                                                        const int32_t* pixels, const int32_t* next_pixels,
                                                        uint32_t taps) {
  using In = typename Product::Value;
  constexpr int kWeights = kLanes * Product::kChannels;  // of one step for one vector of outputs
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
      if (reads_first) tile.prefetch(input, args.tap_pixels[tap], next_pixels);
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
          tile.acc[p][0] = Product::add(tile.acc[p][0], value, w0);
          tile.acc[p][1] = Product::add(tile.acc[p][1], value, w1);
        }
      }
    }
  }
}

template <typename Product, typename Out, int kPixels>
__attribute__((noinline)) void run_tile(const ConvArgs& args, const ConvBlock& block,
                                        const int32_t* in_pixels, const int32_t* next_pixels,
                                        const int32_t* out_pixels, uint32_t taps) {
  Tile<Product, Out, kVectors, kPixels> tile;
  tile.prefetch_output(args, block, out_pixels);
  tile.start(args, block, out_pixels);
  multiply_add(tile, args, block, in_pixels, next_pixels, taps);
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
