// Adjoint of unfold: sums the values that all neighbourhoods hold for a pixel.
#pragma once

#include <cstdint>

#include "core/window.h"
#include "kernels/unfold/unfold.h"

namespace sparsesr {

struct FoldArgs {
  InputWindow x;
  Window out;
  int64_t channels;  // channels of `out`
};
using FoldKernel = void(const FoldArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
