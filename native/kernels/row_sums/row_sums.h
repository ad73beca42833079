// Sum of each channel over each row.
#pragma once

#include <cstdint>

#include "core/pixel_bits.h"
#include "core/window.h"

namespace sparsesr {

template <typename T>
struct RowSumsArgsOf {
  WindowOf<const T> x;
  InputPixelBits active;  // by image row; null words: every pixel of `x` counts
  const T* outside;       // counts in place of each inactive pixel
  double* sums;           // [image row][channel]
  int64_t channels;
};
using RowSumsArgs = RowSumsArgsOf<float>;
template <typename T>
using RowSumsKernelOf = void(const RowSumsArgsOf<T>& args, int64_t begin, int64_t end);

}  // namespace sparsesr
