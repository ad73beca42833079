// Map scaled by a factor per channel, plus an optional map.
#pragma once

#include <cstdint>

#include "core/pixel_bits.h"
#include "core/window.h"

namespace sparsesr {

template <typename T>
struct ScaleAddArgsOf {
  WindowOf<const T> x;
  WindowOf<const T> residual;  // data is null if unused
  WindowOf<T> out;
  const float* scale;
  int64_t channels;
  InputPixelBits active;  // by image row; null words: every pixel of `x` is read
  const T* outside;       // is scaled in place of each inactive pixel
};
using ScaleAddArgs = ScaleAddArgsOf<float>;
template <typename T>
using ScaleAddKernelOf = void(const ScaleAddArgsOf<T>& args, int64_t begin, int64_t end);

}  // namespace sparsesr
