// What the AVX-512 kernels with balanced weights share: 24 accumulators hold 24 pixels x 16 outputs. Internal linkage,
// because including files differ in their instruction sets.
#pragma once

#include "kernels/balanced_conv/balanced_tile.h"
#include "kernels/conv/tile_avx512.h"

namespace sparsesr {
namespace {

// A permutation of a pixel's inputs, then the products, in turns, and adding in place. Compilers permute several times
// before they multiply, which keeps a port waiting, and move sums between registers until some are spilled.
#define SPARSESR_PERMUTED_PRODUCT(permute, multiply_add)                               \
  static __m512 add(__m512 sum, __m512i inputs, __m512i positions, __m512i weights) {  \
    __m512i own;                                                                       \
    __asm__(permute " %2, %3, %1\n\t" multiply_add " %4, %1, %0"                       \
            : "+v"(sum), "=&v"(own)                                                    \
            : "v"(inputs), "v"(positions), "v"(weights));                              \
    return sum;                                                                        \
  }

// `Numbers` are a type of inputs with `add`.
template <typename Numbers>
struct BalancedLanes {
  static constexpr int kLanes = 16;
  static constexpr int kVectors = 4;  // of a block, computed together at a single pixel
  static constexpr int kTilePixels = kAccumulators;
  static constexpr int kMostFixedSteps = 2;
  static constexpr bool kPairsSteps = true;

  using Product = Numbers;
  using Input = typename Numbers::Value;
  template <typename Out, int kCount, int kPixels, typename Places>
  using Sums = Tile<Product, Out, kCount, kPixels, Places>;

  static __m512i load(const std::byte* weights) { return _mm512_load_si512(weights); }
  static __m512i load_inputs(const Input* inputs) { return _mm512_loadu_si512(inputs); }
  static __m512i positions_at(const uint8_t* place) { return _mm512_loadu_si512(place); }
  static __m512i next_positions(__m512i positions, const uint8_t* place) {
    if constexpr (BalancedFormat<Input, kLanes>::kStepsPerByte == 2) return _mm512_srli_epi32(positions, 4);
    else return positions_at(place);
  }
  static __m512 add(__m512 sum, __m512i inputs, __m512i positions, __m512i weights) {
    return Numbers::add(sum, inputs, positions, weights);
  }
};

template <typename Numbers>
constexpr ConvKernels balanced_kernels(CpuFeatures needs, bool (*suits)(const ConvWeights&), NamedConvKernel to_f32,
                                       NamedConvKernel to_bf16, NamedConvKernel to_u8) {
  return {
      .in = Numbers::kType,
      .needs = needs,
      .pack = pack_balanced<typename Numbers::Value, BalancedLanes<Numbers>::kLanes, BalancedLanes<Numbers>::kVectors>,
      .suits = suits,
      .to = {to_f32, to_bf16, to_u8},
      .group_pixels = kAccumulators,
      .chunk_pixels = 10 * kAccumulators,
      .needs_balanced = true,
      .leaves_taps_out = true,
      .thread = {},
  };
}

}  // namespace
}  // namespace sparsesr
