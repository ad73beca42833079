// Convolution of bf16 maps with AMX tiles.
#include "kernels/conv/tile_conv.h"

namespace sparsesr {
namespace {

// 32 channels per step.
struct Bf16Tiles {
  using Sum = float;
  using Numbers = FloatNumbers;
  using Values = FloatSums;
  static constexpr bool kAddsLast = false;
  static constexpr bool kPairsSteps = true;

  static const float* starts(const ConvBlock& block) { return block.bias; }
  static StepList list_steps(const ConvArgs& args, Step* steps) { return list_bf16_steps(args, steps); }
  template <int kSums, int kLeft, int kRight>
  static __attribute__((always_inline)) void multiply() {
    multiply_bf16_tiles<kSums, kLeft, kRight>();
  }
};

}  // namespace

static void bf16_f32_conv_32x32__amx_bf16(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                          const int32_t* out_pixels, int64_t count) {
  convolve<Bf16Tiles, float>(args, block, in_pixels, out_pixels, count);
}

static void bf16_conv_32x32__amx_bf16(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                      const int32_t* out_pixels, int64_t count) {
  convolve<Bf16Tiles, Bf16>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels bf16_conv__amx_bf16 = {
    .in = MapType::kBf16,
    .needs = kNeedsAmxBf16,
    .pack = pack_bf16_tiles,
    .suits = suits_bf16_tiles,
    .to = {{"bf16_f32_conv_32x32__amx_bf16", bf16_f32_conv_32x32__amx_bf16},
           {"bf16_conv_32x32__amx_bf16", bf16_conv_32x32__amx_bf16}},
    .group_pixels = 4 * kGroupPixels,
    .chunk_pixels = kMaxChunkPixels,
    .leaves_taps_out = false,
    .writes_copies = true,
    .thread = {sizeof(Scratch<Bf16Tiles>), configure_tiles, release_tiles},
};

}  // namespace sparsesr
