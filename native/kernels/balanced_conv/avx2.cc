// Convolution of fp32 maps with balanced weights for AVX2: 12 accumulators hold 12 pixels x 8 outputs.
#include "kernels/balanced_conv/balanced_tile.h"
#include "kernels/conv/tile_avx2.h"

namespace sparsesr {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr int kVectors = 2;  // of a block, computed together at a single pixel
  static constexpr int kTilePixels = 12;
  static constexpr int kMostFixedSteps = 3;
  static constexpr bool kPairsSteps = false;  // needs more registers than there are

  struct Product {
    using Value = float;
    static constexpr int kChannels = 1;
    static constexpr bool kWholeSums = false;
  };
  template <typename Out, int kCount, int kPixels, typename Places>
  using Sums = Tile<Product, Out, kCount, kPixels>;

  static __m256 load(const std::byte* weights) { return _mm256_load_ps(reinterpret_cast<const float*>(weights)); }
  static __m256 load_inputs(const float* inputs) { return _mm256_loadu_ps(inputs); }
  static __m256i positions_at(const uint8_t* place) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(place));
  }
  static __m256i next_positions(__m256i positions, const uint8_t*) { return _mm256_srli_epi32(positions, 4); }
  static __m256 add(__m256 sum, __m256 inputs, __m256i positions, __m256 weights) {
    return _mm256_fmadd_ps(_mm256_permutevar8x32_ps(inputs, positions), weights, sum);
  }
};

}  // namespace

static void f32_balanced_conv_12x8__avx2(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                         const int32_t* out_pixels, int64_t count) {
  convolve_balanced<Avx2, float>(args, block, in_pixels, out_pixels, count);
}

static void f32_bf16_balanced_conv_12x8__avx2(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                              const int32_t* out_pixels, int64_t count) {
  convolve_balanced<Avx2, Bf16>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels f32_balanced_conv__avx2 = {
    .in = MapType::kF32,
    .needs = kNeedsAvx2,
    .pack = pack_balanced<float, Avx2::kLanes, Avx2::kVectors>,
    .suits = suits_balanced<float, Avx2::kLanes, Permutes::kOnePort>,
    .to = {{"f32_balanced_conv_12x8__avx2", f32_balanced_conv_12x8__avx2},
           {"f32_bf16_balanced_conv_12x8__avx2", f32_bf16_balanced_conv_12x8__avx2}},
    .group_pixels = 2 * Avx2::kTilePixels,
    .chunk_pixels = 20 * Avx2::kTilePixels,
    .needs_balanced = true,
    .leaves_taps_out = true,
    .thread = {},
};

}  // namespace sparsesr
