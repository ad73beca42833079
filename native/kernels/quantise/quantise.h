// Quantised copy of a map with the same stride: narrow<U8>(x * factor + offset).
#pragma once

#include <cstdint>

#include "core/window.h"

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

}  // namespace sparsesr
