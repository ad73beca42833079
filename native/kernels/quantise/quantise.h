// Quantised copy of a map with the same stride: quantised(x, factor, offset).
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct QuantiseArgs {
  InputWindow x;
  WindowOf<U8> out;
  float factor;
  float offset;
};
using QuantiseKernel = void(const QuantiseArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
