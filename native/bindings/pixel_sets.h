// Sets of pixels as arrays of words, one bit per pixel.
#pragma once

#include <cstdint>

#include "bindings/checks.h"
#include "operators/pixel_list.h"

namespace sparsesr::bindings {

// A (rows, words per row) array of uint64; bits beyond `width` must not be set.
struct BitsArray {
  InputPixelBits bits;
  int64_t height;
};
BitsArray bits_of(const InArray& array, int64_t width, std::string_view name);

// Rows [r0, r1) of a map of this width.
void check_listed_rows(const PixelList& pixels, int64_t width, int64_t r0, int64_t r1);

}  // namespace sparsesr::bindings
