#include <immintrin.h>

#include "kernels/peak/peak.h"
#include "kernels/tiles.h"

namespace sparsesr {

// Four tile products of 16 x 16 x 32 multiply-adds per iteration.
PeakRun bf16_peak__amx_bf16(int64_t iterations) {
  configure_tiles();
  for (int64_t n = 0; n < iterations; ++n) {
    multiply_bf16_tiles<0, 4, 6>();
    multiply_bf16_tiles<1, 4, 7>();
    multiply_bf16_tiles<2, 5, 6>();
    multiply_bf16_tiles<3, 5, 7>();
  }
  alignas(64) float sums[16][16];
  store_tile<0>(sums, 64);
  release_tiles();
  return {4 * 2.0 * 16 * 16 * 32 * static_cast<double>(iterations), sums[0][0]};
}

}  // namespace sparsesr
