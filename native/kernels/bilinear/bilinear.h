// Bilinear interpolation with aligned corners.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct BilinearArgs {
  InputWindow x;
  int64_t x_height;
  int64_t out_height;
  Window out;
};
using BilinearKernel = void(const BilinearArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
