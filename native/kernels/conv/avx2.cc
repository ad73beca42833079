// Indirect convolution for AVX2 with FMA: 12 accumulators hold 6 pixels x 16 outputs.
#include "kernels/conv/scalar.h"
#include "kernels/conv/taps.h"
#include "kernels/conv/tile_avx2.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

constexpr int kVectors = 2;
constexpr int kTilePixels = 6;

template <int kPixels>
__attribute__((always_inline)) inline void multiply_add(Tile<kVectors, kPixels>& tile, const ConvArgs& args,
                                                        const ConvBlock& block, const int32_t* pixels,
                                                        const int32_t* next_pixels, uint32_t taps) {
  const bool reads_first = block.first == 0;  // later blocks find the pixels in the cache
  const float* weights = static_cast<const float*>(block.weights);
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const float* x[kPixels];
#pragma GCC unroll 6
    for (int p = 0; p < kPixels; ++p) {
      x[p] = static_cast<const float*>(input.data) + (pixels[p] + input.shift) * input.stride;
    }
    for (int tap = 0; tap < args.tap_count; ++tap) {
      if (reads_first) tile.prefetch(input, args.tap_pixels[tap], next_pixels);
      int64_t offset = args.tap_pixels[tap] * input.stride;
      const int64_t end = offset + ((taps >> tap & 1) != 0 ? input.channels : input.always);
      const float* w = weights;
      weights += input.channels * kVectors * kLanes;
      for (; offset < end; ++offset, w += kVectors * kLanes) {
        const __m256 w0 = _mm256_load_ps(w);
        const __m256 w1 = _mm256_load_ps(w + kLanes);
#pragma GCC unroll 6
        for (int p = 0; p < kPixels; ++p) {
          const __m256 value = _mm256_broadcast_ss(x[p] + offset);
          tile.acc[p][0] = _mm256_fmadd_ps(value, w0, tile.acc[p][0]);
          tile.acc[p][1] = _mm256_fmadd_ps(value, w1, tile.acc[p][1]);
        }
      }
    }
  }
}

template <int kPixels>
__attribute__((noinline)) void run_tile(const ConvArgs& args, const ConvBlock& block,
                                        const int32_t* in_pixels, const int32_t* next_pixels,
                                        const int32_t* out_pixels, uint32_t taps) {
  Tile<kVectors, kPixels> tile;
  tile.start(args, block, out_pixels);
  multiply_add(tile, args, block, in_pixels, next_pixels, taps);
  tile.finish(args, block, out_pixels);
}

}  // namespace

static void f32_conv_6x16__avx2(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                         const int32_t* out_pixels, int64_t count) {
  int64_t n = 0;
  for (; n + kTilePixels <= count; n += kTilePixels) {
    const int64_t next = n + 2 * kTilePixels <= count ? n + kTilePixels : n;
    const uint32_t taps = taps_of_any(args, n, kTilePixels);
    run_tile<kTilePixels>(args, block, in_pixels + n, in_pixels + next, out_pixels + n, taps);
  }
  const uint32_t taps = taps_of_any(args, n, count - n);
  const int32_t* in = in_pixels + n;
  const int32_t* out = out_pixels + n;
  switch (count - n) {
    case 5: return run_tile<5>(args, block, in, in, out, taps);
    case 4: return run_tile<4>(args, block, in, in, out, taps);
    case 3: return run_tile<3>(args, block, in, in, out, taps);
    case 2: return run_tile<2>(args, block, in, in, out, taps);
    case 1: return run_tile<1>(args, block, in, in, out, taps);
    default: return;
  }
}

constinit const ConvKernels f32_conv__avx2 = {
    .in = MapType::kF32,
    .needs = kNeedsAvx2,
    .pack = pack_vectors<float, kVectors * kLanes, 0>,
    .suits = nullptr,
    .to = {{"f32_conv_6x16__avx2", f32_conv_6x16__avx2},
           {"f32_bf16_conv_1x16__scalar", f32_bf16_conv_1x16__scalar}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
