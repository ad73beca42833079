// Convolution of quantised maps: products of int8 and exact sums.
#include "kernels/conv/tile_avx512.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

// As a float, compilers broadcast it from memory; as an integer, often by way of a register.
using FourBytes __attribute__((may_alias, aligned(1))) = float;

// Four channels per step.
struct Int8Product {
  using Value = U8;
  using Vector = __m512i;
  static constexpr int kChannels = 4;
  static constexpr int kMostVectors = 2;  // a block's weights, in L1 together with the pixels, are used several times
  static constexpr bool kWholeSums = true;

  static __m512i load(const U8* weights) { return _mm512_load_si512(weights); }
  static __m512i broadcast(const U8* x) {
    return _mm512_castps_si512(_mm512_set1_ps(*reinterpret_cast<const FourBytes*>(x)));
  }
  // By the intrinsic, GCC 12 stores sums at every step, since they change between two types.
  static __m512 add(__m512 acc, __m512i value, __m512i weights) {
    asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(value), "v"(weights));
    return acc;
  }
};

}  // namespace

static void u8_f32_conv_12x32__avx512_vnni(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                          const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, float>(args, block, in_pixels, out_pixels, count);
}

static void u8_bf16_conv_12x32__avx512_vnni(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                           const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, Bf16>(args, block, in_pixels, out_pixels, count);
}

static void u8_conv_12x32__avx512_vnni(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                      const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, U8>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels u8_conv__avx512_vnni = {
    .in = MapType::kU8,
    .needs = kNeedsAvx512Vnni,
    .pack = pack_vectors<int8_t, 32, 0>,
    .suits = nullptr,
    .to = {{"u8_f32_conv_12x32__avx512_vnni", u8_f32_conv_12x32__avx512_vnni},
           {"u8_bf16_conv_12x32__avx512_vnni", u8_bf16_conv_12x32__avx512_vnni},
           {"u8_conv_12x32__avx512_vnni", u8_conv_12x32__avx512_vnni}},
    .group_pixels = kAccumulators,
    .chunk_pixels = 10 * kAccumulators,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
