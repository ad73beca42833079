// Quantised copy of a map with the same stride, by rows or at listed pixels: quantised(x, factor, offset).
#pragma once

#include <cstdint>

#include "core/pixel_numbers.h"

namespace sparsesr {

template <typename T>
struct QuantiseArgsOf {
  WindowOf<const T> x;
  WindowOf<U8> out;
  float factor;
  float offset;
};
template <typename T>
using QuantiseKernelOf = void(const QuantiseArgsOf<T>& args, int64_t begin, int64_t end);

struct QuantisePixelsArgs {
  NumberedMap x;  // of the type that the kernel is for
  NumberedMap out;
  float factor;
  float offset;
};
using QuantisePixelsKernel = void(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count);

}  // namespace sparsesr
