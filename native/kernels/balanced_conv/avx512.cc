// Convolution of fp32 maps with balanced weights: 24 accumulators hold 24 pixels x 16 outputs.
#include "kernels/balanced_conv/balanced_tile.h"
#include "kernels/conv/tile_avx512.h"

namespace sparsesr {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  static constexpr int kVectors = 4;  // of a block, computed together at a single pixel
  static constexpr int kTilePixels = kAccumulators;

  struct Product {
    using Value = float;
    using Vector = __m512;
    static constexpr int kChannels = 1;
    static constexpr bool kWholeSums = false;
  };
  template <typename Out, int kCount, int kPixels, typename Places>
  using Sums = Tile<Product, Out, kCount, kPixels, Places>;

  static __m512 load(const float* weights) { return _mm512_load_ps(weights); }
  static __m512i positions_at(const uint8_t* place) { return _mm512_loadu_si512(place); }
  static __m512i high_half(__m512i positions) { return _mm512_srli_epi32(positions, 4); }
  static __m512 add(__m512 sum, const float* inputs, __m512i positions, __m512 weights) {
    return _mm512_fmadd_ps(_mm512_permutexvar_ps(positions, _mm512_loadu_ps(inputs)), weights, sum);
  }

  template <typename Tile>
  static void prefetch_output(const Tile&, const ConvArgs& args, const ConvBlock& block, const int32_t* pixels) {
    Tile::prefetch_output(args, block, pixels);
  }
};

}  // namespace

static void f32_balanced_conv_24x16__avx512(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                            const int32_t* out_pixels, int64_t count) {
  convolve_balanced<Avx512, float>(args, block, in_pixels, out_pixels, count);
}

static void f32_bf16_balanced_conv_24x16__avx512(const ConvArgs& args, const ConvBlock& block,
                                                 const int32_t* in_pixels, const int32_t* out_pixels,
                                                 int64_t count) {
  convolve_balanced<Avx512, Bf16>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels f32_balanced_conv__avx512 = {
    .in = MapType::kF32,
    .needs = kNeedsAvx512,
    .pack = pack_balanced<Avx512::kLanes, Avx512::kVectors>,
    .suits = suits_balanced<Avx512::kLanes>,
    .to = {{"f32_balanced_conv_24x16__avx512", f32_balanced_conv_24x16__avx512},
           {"f32_bf16_balanced_conv_24x16__avx512", f32_bf16_balanced_conv_24x16__avx512}},
    .group_pixels = Avx512::kTilePixels,
    .chunk_pixels = 10 * Avx512::kTilePixels,
    .needs_balanced = true,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
