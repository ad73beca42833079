// Mean over 2x2 blocks.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

template <typename T>
struct AvgPoolArgsOf {
  WindowOf<const T> x;
  WindowOf<T> out;
};
using AvgPoolArgs = AvgPoolArgsOf<float>;
template <typename T>
using AvgPoolKernelOf = void(const AvgPoolArgsOf<T>& args, int64_t begin, int64_t end);

}  // namespace sparsesr
