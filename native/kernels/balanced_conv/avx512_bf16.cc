// Convolution of bf16 maps with balanced weights: bf16 products, fp32 sums.
#include "kernels/balanced_conv/lanes_avx512.h"

namespace sparsesr {
namespace {

// A step has two weights of any positions among 32 inputs.
struct BalancedBf16 {
  using Value = Bf16;
  static constexpr MapType kType = MapType::kBf16;
  static constexpr int kChannels = 2;
  static constexpr bool kWholeSums = false;
  SPARSESR_PERMUTED_PRODUCT("vpermw", "vdpbf16ps")
};

}  // namespace

static void bf16_f32_balanced_conv_24x16__avx512_bf16(const ConvArgs& args, const ConvBlock& block,
                                                      const int32_t* in_pixels, const int32_t* out_pixels,
                                                      int64_t count) {
  convolve_balanced<BalancedLanes<BalancedBf16>, float>(args, block, in_pixels, out_pixels, count);
}

static void bf16_balanced_conv_24x16__avx512_bf16(const ConvArgs& args, const ConvBlock& block,
                                                  const int32_t* in_pixels, const int32_t* out_pixels,
                                                  int64_t count) {
  convolve_balanced<BalancedLanes<BalancedBf16>, Bf16>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels bf16_balanced_conv__avx512_bf16 = balanced_kernels<BalancedBf16>(
    kNeedsAvx512Bf16 | CpuFeature::kFastPermute, suits_balanced<Bf16, kLanes, Permutes::kTwoPorts>,
    {"bf16_f32_balanced_conv_24x16__avx512_bf16", bf16_f32_balanced_conv_24x16__avx512_bf16},
    {"bf16_balanced_conv_24x16__avx512_bf16", bf16_balanced_conv_24x16__avx512_bf16}, {});

}  // namespace sparsesr
