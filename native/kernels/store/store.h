// Conversion of a window to an image array.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct StoreArgs {
  InputWindow x;
  void* image;  // [height][width][3]
  PixelType type;
  int64_t width;
};
using StoreKernel = void(const StoreArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
