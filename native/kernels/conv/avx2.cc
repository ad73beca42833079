// Indirect convolution for AVX2 with FMA: 12 accumulators hold 6 pixels x 16 outputs.
#include <immintrin.h>

#include "kernels/conv/scalar.h"
#include "kernels/conv/taps.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

constexpr int kLanes = 8;
constexpr int kVectors = 2;
constexpr int kTilePixels = 6;
constexpr int kLineFloats = 16;  // per cache line

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

template <int kPixels>
struct Tile {
  __m256 acc[kPixels][kVectors];

  __attribute__((always_inline)) void start(const ConvArgs& args, const ConvBlock& block,
                                            const int32_t* pixels) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256 bias = _mm256_load_ps(block.bias + v * kLanes);
#pragma GCC unroll 6
      for (int p = 0; p < kPixels; ++p) acc[p][v] = bias;
    }
    if (args.addend.data == nullptr) return;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256i valid = lanes_below(block.valid - v * kLanes);
      const bool all = block.valid >= (v + 1) * kLanes;
#pragma GCC unroll 6
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

  __attribute__((always_inline)) void multiply_add(const ConvArgs& args, const ConvBlock& block,
                                                   const int32_t* pixels, const int32_t* next_pixels,
                                                   uint32_t taps) {
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
        if (reads_first) prefetch(input, args.tap_pixels[tap], next_pixels);
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
            acc[p][0] = _mm256_fmadd_ps(value, w0, acc[p][0]);
            acc[p][1] = _mm256_fmadd_ps(value, w1, acc[p][1]);
          }
        }
      }
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
#pragma GCC unroll 6
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

template <int kPixels>
__attribute__((noinline)) void run_tile(const ConvArgs& args, const ConvBlock& block,
                                        const int32_t* in_pixels, const int32_t* next_pixels,
                                        const int32_t* out_pixels, uint32_t taps) {
  Tile<kPixels> tile;
  tile.start(args, block, out_pixels);
  tile.multiply_add(args, block, in_pixels, next_pixels, taps);
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
