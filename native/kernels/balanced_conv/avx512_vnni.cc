// Convolution of quantised maps with balanced weights: products of int8 and exact sums.
#include "kernels/balanced_conv/lanes_avx512.h"

namespace sparsesr {
namespace {

// A step has four weights of any positions among 64 inputs.
struct BalancedInt8 {
  using Value = U8;
  static constexpr MapType kType = MapType::kU8;
  static constexpr int kChannels = 4;
  static constexpr bool kWholeSums = true;
  SPARSESR_PERMUTED_PRODUCT("vpermb", "vpdpbusd")
};

}  // namespace

static void u8_f32_balanced_conv_24x16__avx512_vnni(const ConvArgs& args, const ConvBlock& block,
                                                    const int32_t* in_pixels, const int32_t* out_pixels,
                                                    int64_t count) {
  convolve_balanced<BalancedLanes<BalancedInt8>, float>(args, block, in_pixels, out_pixels, count);
}

static void u8_bf16_balanced_conv_24x16__avx512_vnni(const ConvArgs& args, const ConvBlock& block,
                                                     const int32_t* in_pixels, const int32_t* out_pixels,
                                                     int64_t count) {
  convolve_balanced<BalancedLanes<BalancedInt8>, Bf16>(args, block, in_pixels, out_pixels, count);
}

static void u8_balanced_conv_24x16__avx512_vnni(const ConvArgs& args, const ConvBlock& block,
                                                const int32_t* in_pixels, const int32_t* out_pixels,
                                                int64_t count) {
  convolve_balanced<BalancedLanes<BalancedInt8>, U8>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels u8_balanced_conv__avx512_vnni = balanced_kernels<BalancedInt8>(
    kNeedsAvx512Vnni | CpuFeature::kAvx512Vbmi | CpuFeature::kFastPermute,
    suits_balanced<U8, kLanes, Permutes::kTwoPorts>,
    {"u8_f32_balanced_conv_24x16__avx512_vnni", u8_f32_balanced_conv_24x16__avx512_vnni},
    {"u8_bf16_balanced_conv_24x16__avx512_vnni", u8_bf16_balanced_conv_24x16__avx512_vnni},
    {"u8_balanced_conv_24x16__avx512_vnni", u8_balanced_conv_24x16__avx512_vnni});

}  // namespace sparsesr
