// Convolution of fp32 maps with balanced weights.
#include "kernels/balanced_conv/lanes_avx512.h"

namespace sparsesr {
namespace {

struct BalancedF32 {
  using Value = float;
  static constexpr MapType kType = MapType::kF32;
  static constexpr int kChannels = 1;
  static constexpr bool kWholeSums = false;
  SPARSESR_PERMUTED_PRODUCT("vpermps", "vfmadd231ps")
};

}  // namespace

static void f32_balanced_conv_24x16__avx512(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                            const int32_t* out_pixels, int64_t count) {
  convolve_balanced<BalancedLanes<BalancedF32>, float>(args, block, in_pixels, out_pixels, count);
}

static void f32_bf16_balanced_conv_24x16__avx512(const ConvArgs& args, const ConvBlock& block,
                                                 const int32_t* in_pixels, const int32_t* out_pixels,
                                                 int64_t count) {
  convolve_balanced<BalancedLanes<BalancedF32>, Bf16>(args, block, in_pixels, out_pixels, count);
}

static constexpr ConvKernels kernels(CpuFeatures needs, bool (*suits)(const ConvWeights&)) {
  return balanced_kernels<BalancedF32>(needs, suits,
                                       {"f32_balanced_conv_24x16__avx512", f32_balanced_conv_24x16__avx512},
                                       {"f32_bf16_balanced_conv_24x16__avx512", f32_bf16_balanced_conv_24x16__avx512},
                                       {});
}

constinit const ConvKernels f32_balanced_conv__avx512 =
    kernels(kNeedsAvx512, suits_balanced<float, kLanes, Permutes::kOnePort>);

// The same kernels, for more weights.
constinit const ConvKernels f32_balanced_conv__fast_permute =
    kernels(kNeedsAvx512 | CpuFeature::kFastPermute, suits_balanced<float, kLanes, Permutes::kTwoPorts>);

}  // namespace sparsesr
