// Quantised copy of a map with the same stride, by rows or at listed pixels: quantised(x, factor, offset).
#pragma once

#include <cstdint>

#include "core/pixel_numbers.h"

namespace sparsesr {

struct QuantiseArgs {
  InputWindow x;
  WindowOf<U8> out;
  float factor;
  float offset;
};
using QuantiseKernel = void(const QuantiseArgs& args, int64_t begin, int64_t end);

struct QuantisePixelsArgs {
  NumberedMap x;  // of floats
  NumberedMap out;
  float factor;
  float offset;
};
using QuantisePixelsKernel = void(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count);

}  // namespace sparsesr
