#include "kernels/peak/peak.h"
#include "kernels/tiles.h"

namespace sparsesr {

// Four tile products of 16 x 16 x 64 multiply-adds per iteration.
PeakRun u8_peak__amx_int8(int64_t iterations) {
  configure_tiles();
  for (int64_t n = 0; n < iterations; ++n) {
    multiply_int8_tiles<0, 4, 6>();
    multiply_int8_tiles<1, 4, 7>();
    multiply_int8_tiles<2, 5, 6>();
    multiply_int8_tiles<3, 5, 7>();
  }
  alignas(64) int32_t sums[16][16];
  store_tile<0>(sums, 64);
  release_tiles();
  return {4 * 2.0 * 16 * 16 * 64 * static_cast<double>(iterations), static_cast<float>(sums[0][0])};
}

}  // namespace sparsesr
