// Convolution of bf16 maps: bf16 products, fp32 sums.
#include "kernels/conv/tile_avx512.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

// A pair of channels per step.
struct Bf16Product {
  using Value = Bf16;
  using Vector = __m512bh;
  static constexpr int kChannels = 2;
  static constexpr bool kWholeSums = false;

  static __mmask32 lanes_below(int64_t count) {
    if (count >= 32) return 0xffffffffu;
    return count <= 0 ? 0 : (1u << count) - 1u;
  }
  static __m512bh load_values(const Bf16* x) { return (__m512bh)_mm512_loadu_si512(x); }
  static __m512bh load_some(__mmask32 lanes, const Bf16* x) {
    return (__m512bh)_mm512_maskz_loadu_epi16(lanes, x);
  }
  static __m512bh load(const Bf16* weights) { return (__m512bh)_mm512_load_si512(weights); }
  static __m512bh broadcast(const Bf16* x) {
    int32_t pair;
    __builtin_memcpy(&pair, x, sizeof(pair));
    return (__m512bh)_mm512_set1_epi32(pair);
  }
  static __m512 add(__m512 acc, __m512bh value, __m512bh weights) {
    return _mm512_dpbf16_ps(acc, value, weights);
  }
};

}  // namespace

static void bf16_f32_conv_6x64__avx512_bf16(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                    const int32_t* out_pixels, int64_t count) {
  convolve<Bf16Product, float>(args, block, in_pixels, out_pixels, count);
}

static void bf16_conv_6x64__avx512_bf16(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                const int32_t* out_pixels, int64_t count) {
  convolve<Bf16Product, Bf16>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels bf16_conv__avx512_bf16 = {
    .in = MapType::kBf16,
    .needs = kNeedsAvx512Bf16,
    .pack = pack_vectors<Bf16, 64, 2 * kLanes>,
    .suits = nullptr,
    .to = {{"bf16_f32_conv_6x64__avx512_bf16", bf16_f32_conv_6x64__avx512_bf16},
           {"bf16_conv_6x64__avx512_bf16", bf16_conv_6x64__avx512_bf16}},
    .group_pixels = kAccumulators,
    .chunk_pixels = 10 * kAccumulators,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
