// Enlargement that repeats pixels.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

template <typename T>
struct NearestArgsOf {
  WindowOf<const T> x;
  WindowOf<T> out;  // of the same stride
  int64_t scale;
};
template <typename T>
using NearestKernelOf = void(const NearestArgsOf<T>& args, int64_t begin, int64_t end);

}  // namespace sparsesr
