// Convolution of quantised maps: products of int8 and exact sums.
#include "kernels/conv/dense_tile_avx2.h"
#include "kernels/conv/scalar.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

// As a float, compilers broadcast it from memory; as an integer, often by way of a register.
using FourBytes __attribute__((may_alias, aligned(1))) = float;

// Four channels per step.
struct Int8Product {
  using Value = U8;
  static constexpr int kChannels = 4;
  static constexpr bool kWholeSums = true;

  static __m256i load(const U8* weights) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(weights)); }
  static __m256i broadcast(const U8* x) {
    return _mm256_castps_si256(_mm256_set1_ps(*reinterpret_cast<const FourBytes*>(x)));
  }
  static __m256 add(__m256 acc, __m256i value, __m256i weights) {
    return _mm256_castsi256_ps(_mm256_dpbusd_avx_epi32(_mm256_castps_si256(acc), value, weights));
  }
};

}  // namespace

static void u8_f32_conv_6x16__avx2_vnni(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                        const int32_t* out_pixels, int64_t count) {
  convolve<Int8Product, float>(args, block, in_pixels, out_pixels, count);
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
           {"u8_bf16_conv_1x16__scalar", u8_bf16_conv_1x16__scalar},
           {"u8_conv_6x16__avx2_vnni", u8_conv_6x16__avx2_vnni}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
