#include "bindings/pixel_lists.h"

namespace sparsesr::bindings {

PixelList pixel_list(const InArray& array) {
  return {array_data<int32_t>(array, 1, "pixels"), static_cast<int64_t>(array.shape(0))};
}

// Without branches, for it runs over every list: the division is a multiplication in double, whose error is
// far below the half that is added.
void check_pixels(const PixelList& list, int64_t width, int64_t r0, int64_t r1) {
  const auto columns = static_cast<int32_t>(width + 2);
  const double inverse = 1.0 / columns;
  const auto first_row = static_cast<int32_t>(r0);
  const auto last_row = static_cast<int32_t>(r1 - 1);
  const auto last_column = static_cast<int32_t>(width);
  int32_t wrong = 0;
  for (int64_t i = 0; i < list.count; ++i) {
    const int32_t pixel = list.pixels[i];
    const auto row = static_cast<int32_t>((pixel + 0.5) * inverse);
    const int32_t column = pixel - row * columns;
    wrong |= (pixel < 0) | (row < first_row) | (row > last_row) | (column < 1) | (column > last_column);
  }
  if (wrong == 0) return;
  fail("'pixels' has a pixel outside rows [" + std::to_string(r0) + ", " + std::to_string(r1) +
       ") or columns 1 to " + std::to_string(width));
}

}  // namespace sparsesr::bindings
