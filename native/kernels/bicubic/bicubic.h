// Bicubic upscaling of an image.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct BicubicArgs {
  InputWindow x;
  int64_t x_height;
  Window out;
  int64_t scale;
  float weights[kMaxScale][4];  // per phase: weights of the four source pixels from offset[phase] on
  int64_t offset[kMaxScale];
};
using BicubicKernel = void(const BicubicArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
