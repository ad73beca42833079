// Convolution of quantised maps with AMX tiles: products of int8 and exact sums.
#include "kernels/conv/tile_conv.h"

namespace sparsesr {
namespace {

// 64 channels per step.
struct Int8Tiles {
  using Sum = int32_t;
  using Numbers = WholeNumbers;
  using Values = WholeSums;
  static constexpr bool kAddsLast = true;
  static constexpr bool kPairsSteps = false;

  static const int32_t* starts(const ConvBlock& block) { return block.starts; }
  static StepList list_steps(const ConvArgs& args, Step* steps) { return list_int8_steps(args, steps); }
  template <int kSums, int kLeft, int kRight>
  static __attribute__((always_inline)) void multiply() {
    multiply_int8_tiles<kSums, kLeft, kRight>();
  }
};

}  // namespace

static void u8_f32_conv_32x32__amx_int8(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                        const int32_t* out_pixels, int64_t count) {
  convolve<Int8Tiles, float>(args, block, in_pixels, out_pixels, count);
}

static void u8_bf16_conv_32x32__amx_int8(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                         const int32_t* out_pixels, int64_t count) {
  convolve<Int8Tiles, Bf16>(args, block, in_pixels, out_pixels, count);
}

static void u8_conv_32x32__amx_int8(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                    const int32_t* out_pixels, int64_t count) {
  convolve<Int8Tiles, U8>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels u8_conv__amx_int8 = {
    .in = MapType::kU8,
    .needs = kNeedsAmxInt8,
    .pack = pack_int8_tiles,
    .suits = suits_int8_tiles,
    .to = {{"u8_f32_conv_32x32__amx_int8", u8_f32_conv_32x32__amx_int8},
           {"u8_bf16_conv_32x32__amx_int8", u8_bf16_conv_32x32__amx_int8},
           {"u8_conv_32x32__amx_int8", u8_conv_32x32__amx_int8}},
    .group_pixels = 4 * kGroupPixels,
    .chunk_pixels = kMaxChunkPixels,
    .leaves_taps_out = false,
    .writes_copies = true,
    .thread = {sizeof(Scratch<Int8Tiles>), configure_tiles, release_tiles},
};

}  // namespace sparsesr
