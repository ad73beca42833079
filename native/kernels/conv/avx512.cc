// Convolution of fp32 maps.
#include "kernels/conv/tile_avx512.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

// One channel per step.
struct F32Product {
  using Value = float;
  using Vector = __m512;
  static constexpr int kChannels = 1;
  static constexpr bool kWholeSums = false;

  static __mmask16 lanes_below(int64_t count) { return sparsesr::lanes_below(count); }
  static __m512 load_values(const float* x) { return _mm512_loadu_ps(x); }
  static __m512 load_some(__mmask16 lanes, const float* x) { return _mm512_maskz_loadu_ps(lanes, x); }
  static __m512 load(const float* weights) { return _mm512_load_ps(weights); }
  static __m512 broadcast(const float* x) { return _mm512_set1_ps(*x); }
  static __m512 add(__m512 acc, __m512 value, __m512 weights) { return _mm512_fmadd_ps(value, weights, acc); }
};

}  // namespace

static void f32_conv_6x64__avx512(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                           const int32_t* out_pixels, int64_t count) {
  convolve<F32Product, float>(args, block, in_pixels, out_pixels, count);
}

static void f32_bf16_conv_6x64__avx512(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                const int32_t* out_pixels, int64_t count) {
  convolve<F32Product, Bf16>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels f32_conv__avx512 = {
    .in = MapType::kF32,
    .needs = kNeedsAvx512,
    .pack = pack_vectors<float, 64, kLanes>,
    .suits = nullptr,
    .to = {{"f32_conv_6x64__avx512", f32_conv_6x64__avx512},
           {"f32_bf16_conv_6x64__avx512", f32_bf16_conv_6x64__avx512}},
    .group_pixels = kAccumulators,
    .chunk_pixels = 10 * kAccumulators,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
