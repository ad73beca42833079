// Convolution of quantised maps for processors without VNNI: products of int8 by way of 16 bits, and exact sums.
#include "kernels/conv/dense_tile_avx2.h"
#include "kernels/conv/int8_steps_avx2.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

struct Int8Product : FourChannels {
  static __m256 add(__m256 acc, __m256i value, __m256i weights) {
    return _mm256_castsi256_ps(add_products(_mm256_castps_si256(acc), value, weights));
  }
};

}  // namespace

static void u8_f32_conv_6x16__avx2(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                   const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, float>(args, block, in_pixels, out_pixels, count);
}

static void u8_bf16_conv_6x16__avx2(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                    const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, Bf16>(args, block, in_pixels, out_pixels, count);
}

static void u8_conv_6x16__avx2(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                               const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, U8>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels u8_conv__avx2 = {
    .in = MapType::kU8,
    .needs = kNeedsAvx2,
    .pack = pack_vectors<int8_t, kVectors * kLanes, 0>,
    .suits = nullptr,
    .to = {{"u8_f32_conv_6x16__avx2", u8_f32_conv_6x16__avx2},
           {"u8_bf16_conv_6x16__avx2", u8_bf16_conv_6x16__avx2},
           {"u8_conv_6x16__avx2", u8_conv_6x16__avx2}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
