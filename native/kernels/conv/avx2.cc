// Convolution of fp32 maps for AVX2 with FMA.
#include "kernels/conv/dense_tile_avx2.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

// One channel per step.
struct F32Product {
  using Value = float;
  static constexpr int kChannels = 1;
  static constexpr bool kWholeSums = false;

  static __m256 load(const float* weights) { return _mm256_load_ps(weights); }
  static __m256 broadcast(const float* x) { return _mm256_broadcast_ss(x); }
  static __m256 add(__m256 acc, __m256 value, __m256 weights) { return _mm256_fmadd_ps(value, weights, acc); }
};

}  // namespace

static void f32_conv_6x16__avx2(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                const int32_t* out_pixels, int64_t count) {
  convolve<F32Product, float>(args, block, in_pixels, out_pixels, count);
}

static void f32_bf16_conv_6x16__avx2(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                     const int32_t* out_pixels, int64_t count) {
  convolve<F32Product, Bf16>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels f32_conv__avx2 = {
    .in = MapType::kF32,
    .needs = kNeedsAvx2,
    .pack = pack_vectors<float, kVectors * kLanes, 0>,
    .suits = nullptr,
    .to = {{"f32_conv_6x16__avx2", f32_conv_6x16__avx2},
           {"f32_bf16_conv_6x16__avx2", f32_bf16_conv_6x16__avx2}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
