// Conversion of an image array to a window in 0..1.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct ImageArgs {
  const void* image;  // [height][width][3]
  PixelType type;
  int64_t height;
  int64_t width;
  float offset[kImageChannels];  // subtracted
  Window out;                      // rows and columns beyond the image repeat its edge
};
using ImageKernel = void(const ImageArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
