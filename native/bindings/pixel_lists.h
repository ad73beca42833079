#pragma once

#include "bindings/checks.h"

namespace sparsesr::bindings {

// A list of pixel numbers, all inside rows [r0, r1) and off the border columns.
struct PixelList {
  const int32_t* pixels;
  int64_t count;
};

PixelList pixel_list(const InArray& array);
void check_pixels(const PixelList& list, int64_t width, int64_t r0, int64_t r1);

}  // namespace sparsesr::bindings
