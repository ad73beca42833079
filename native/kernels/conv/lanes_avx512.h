// Convolution with few outputs for AVX-512: vector lanes hold input channels and are summed at the end.
//
// Per step: one weight vector per output of a quad, one channel vector per pixel, and their products: 6 x 4
// multiply-adds for 10 loads. With outputs in the lanes, most lanes would be idle and each multiply-add would need a
// load.
#pragma once

#include "kernels/conv/cleared.h"
#include "kernels/conv/pixel_places.h"
#include "kernels/conv/vector_weights.h"
#include "kernels/conv/vectors_avx512.h"

namespace sparsesr {
namespace {

constexpr int64_t kAhead = 24;  // pixels between the computed tile and the prefetched one

// Sums the lanes of up to four vectors into the first lanes of the result; the order of additions is fixed.
template <int kCount>
__m512 add_lanes(const __m512* sums) {
  const __m512 zero = _mm512_setzero_ps();
  const __m512 a = sums[0];
  const __m512 b = kCount > 1 ? sums[kCount > 1 ? 1 : 0] : zero;
  const __m512 c = kCount > 2 ? sums[kCount > 2 ? 2 : 0] : zero;
  const __m512 d = kCount > 3 ? sums[kCount > 3 ? 3 : 0] : zero;
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512 abcd = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));  // within each 128-bit quarter
  const __m512 half = _mm512_add_ps(abcd, _mm512_shuffle_f32x4(abcd, abcd, 0x4e));
  return _mm512_add_ps(half, _mm512_shuffle_f32x4(half, half, 0xb1));
}

// Sums of kOutputs outputs at kPixels pixels.
template <typename Product, typename Out, int kOutputs, int kPixels>
struct LaneTile {
  using In = typename Product::Value;
  static constexpr int64_t kChannels = 64 / sizeof(In);

  __m512 acc[kPixels][kOutputs];
  __m512 values[kPixels];  // one per output, in the first lanes

  __attribute__((always_inline)) void multiply_add(const ConvArgs& args, const In* weights,
                                                   const int32_t* pixels) {
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
      for (int o = 0; o < kOutputs; ++o) acc[p][o] = _mm512_setzero_ps();
    }
    for (int i = 0; i < args.input_count; ++i) {
      const ConvInput& input = args.inputs[i];
      const Scattered<In, kPixels> x(input, pixels);
      for (int tap = 0; tap < args.tap_count; ++tap) {
        const int64_t offset = args.tap_pixels[tap] * input.stride;
        int64_t c = 0;
        for (; c + kChannels <= input.channels; c += kChannels, weights += kOutputs * kChannels) {
          step(weights, [&](int p) { return Product::load_values(x.at(p) + offset + c); });
        }
        if (c == input.channels) continue;
        const auto rest = Product::lanes_below(input.channels - c);  // values beyond them are arbitrary
        step(weights, [&](int p) { return Product::load_some(rest, x.at(p) + offset + c); });
        weights += kOutputs * kChannels;
      }
    }
  }

  // Prefetches the rows right of and below these pixels; the row above was already read by preceding pixels.
  static __attribute__((always_inline)) void prefetch(const ConvArgs& args, const int32_t* pixels) {
    for (int i = 0; i < args.input_count; ++i) {
      const ConvInput& input = args.inputs[i];
      const Scattered<In, kPixels> x(input, pixels);
      const int64_t offset = args.tap_pixels[args.tap_count - 1] * input.stride;
      for (int64_t c = 0; c < input.channels; c += 64 / sizeof(In)) {
#pragma GCC unroll 8
        for (int p = 0; p < kPixels; ++p) _mm_prefetch(x.at(p) + offset + c, _MM_HINT_T0);
      }
    }
  }

  template <typename Load>
  __attribute__((always_inline)) void step(const In* weights, Load load) {
    typename Product::Vector w[kOutputs];
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o) w[o] = Product::load(weights + o * kChannels);
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
      const auto value = load(p);
#pragma GCC unroll 4
      for (int o = 0; o < kOutputs; ++o) acc[p][o] = Product::add(acc[p][o], value, w[o]);
    }
  }

  // `first` is the quad's first output. Reads all addends before writing anything.
  __attribute__((always_inline)) void finish(const ConvArgs& args, const ConvBlock& block, int64_t first,
                                             const int32_t* pixels) {
    constexpr __mmask16 kValid = (1u << kOutputs) - 1u;
    const __m512 bias = _mm512_maskz_loadu_ps(kValid, block.bias + first - block.first);
    const __m512 slopes = load_slopes(args, first, kValid);
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
      __m512 value = _mm512_add_ps(add_lanes<kOutputs>(acc[p]), bias);
      if (args.addend.data != nullptr) value = _mm512_add_ps(value, at(args.addend, pixels[p], first));
      value = activate(value, args.activation, slopes);
      if (args.residual.data != nullptr) value = _mm512_add_ps(value, at(args.residual, pixels[p], first));
      values[p] = value;
    }
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
      store_lanes(pixel_of<Out>(args.out, pixels[p]) + first, kValid, values[p]);
    }
  }

  static __attribute__((always_inline)) __m512 at(const NumberedMap& map, int32_t pixel, int64_t first) {
    constexpr __mmask16 kValid = (1u << kOutputs) - 1u;
    return load_lanes(pixel_of<Out>(map, pixel) + first, kValid);
  }
};

// One quad of outputs (or the remainder of one) at all pixels.
template <typename Product, typename Out, int kOutputs>
__attribute__((noinline)) void run_quad(const ConvArgs& args, const ConvBlock& block, int64_t quad,
                                        const int32_t* in_pixels, const int32_t* out_pixels, int64_t count) {
  constexpr int kPixels = kOutputs > 2 ? 6 : 8;
  using In = typename Product::Value;
  const In* weights = static_cast<const In*>(block.weights) + quad * block.layout_steps * (64 / sizeof(In));
  LaneTile<Product, Out, kOutputs, kPixels> tile;
  int64_t n = 0;
  for (; n + kPixels <= count; n += kPixels) {
    // The first quad brings the pixels into the cache for the others.
    if (quad == 0) tile.prefetch(args, in_pixels + (n + kAhead + kPixels <= count ? n + kAhead : n));
    tile.multiply_add(args, weights, in_pixels + n);
    tile.finish(args, block, block.first + quad, out_pixels + n);
  }
  if (n == count) return;
  int32_t in[kPixels];
  int32_t out[kPixels];
  repeat_last(in_pixels + n, count - n, kPixels, in);
  repeat_last(out_pixels + n, count - n, kPixels, out);
  tile.multiply_add(args, weights, in);
  tile.finish(args, block, block.first + quad, out);
}

template <typename Product, typename Out>
void run_lanes(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
               const int32_t* out_pixels, int64_t count) {
  for (int64_t quad = 0; quad < block.valid; quad += kQuad) {
    switch (block.valid - quad) {
      case 1: run_quad<Product, Out, 1>(args, block, quad, in_pixels, out_pixels, count); break;
      case 2: run_quad<Product, Out, 2>(args, block, quad, in_pixels, out_pixels, count); break;
      case 3: run_quad<Product, Out, 3>(args, block, quad, in_pixels, out_pixels, count); break;
      default: run_quad<Product, Out, 4>(args, block, quad, in_pixels, out_pixels, count); break;
    }
  }
  const int64_t end = written_end(args, block);
  for (int64_t n = 0; n < count; ++n) {
    clear_channels(pixel_of<Out>(args.out, out_pixels[n]), block.first + block.valid, end);
  }
}

}  // namespace
}  // namespace sparsesr
