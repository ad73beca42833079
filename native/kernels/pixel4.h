// The four values of an image pixel as one vector, in the portable syntax that GCC and Clang share.
#pragma once

#include <cstdint>

namespace sparsesr {

using Pixel4 = float __attribute__((vector_size(16)));
using Pixel4Int = int32_t __attribute__((vector_size(16)));

// Internal linkage, like all code that kernels share.
static inline Pixel4 load_pixel(const float* source) {
  Pixel4 pixel;
  __builtin_memcpy(&pixel, source, sizeof(pixel));
  return pixel;
}

static inline void store_pixel(float* target, Pixel4 pixel) {
  __builtin_memcpy(target, &pixel, sizeof(pixel));
}

}  // namespace sparsesr
