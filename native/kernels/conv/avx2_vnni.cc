// Convolution of quantised maps: products of int8 and exact sums.
#include "kernels/conv/dense_tile_avx2.h"
#include "kernels/conv/int8_steps_avx2.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

struct Int8Product : FourChannels {
  // By the intrinsic, GCC 12 stores sums at every step, since they change between two types.
  static __m256 add(__m256 acc, __m256i value, __m256i weights) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(value), "x"(weights));
    return acc;
  }
};

}  // namespace

static void u8_f32_conv_6x16__avx2_vnni(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                        const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, float>(args, block, in_pixels, out_pixels, count);
}

static void u8_bf16_conv_6x16__avx2_vnni(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                         const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, Bf16>(args, block, in_pixels, out_pixels, count);
}

static void u8_conv_6x16__avx2_vnni(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                    const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, U8>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels u8_conv__avx2_vnni = {
    .in = MapType::kU8,
    .needs = kNeedsAvx2Vnni,
    .pack = pack_vectors<int8_t, kVectors * kLanes, 0>,
    .suits = nullptr,
    .to = {{"u8_f32_conv_6x16__avx2_vnni", u8_f32_conv_6x16__avx2_vnni},
           {"u8_bf16_conv_6x16__avx2_vnni", u8_bf16_conv_6x16__avx2_vnni},
           {"u8_conv_6x16__avx2_vnni", u8_conv_6x16__avx2_vnni}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
