// Taps that a tile may skip. Internal linkage, because including files differ in their instruction sets.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {
namespace {

// Taps needed by any of these listed pixels.
uint32_t taps_of_any(const ConvArgs& args, int64_t first, int64_t count) {
  if (args.taps == nullptr) return ~0u;
  uint32_t taps = 0;
  for (int64_t i = first; i < first + count; ++i) taps |= args.taps[i];
  return taps;
}

}  // namespace
}  // namespace sparsesr
