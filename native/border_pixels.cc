#include "sparsesr/border_pixels.h"

#include <cstddef>
#include <vector>

namespace sparsesr {

int64_t append_border_pixels(const int32_t* active, int64_t count, int64_t width, int64_t r0, int64_t r1,
                             int32_t* border) {
  const int64_t columns = width + 2;
  const int64_t first = (r0 - 1) * columns;  // pixel number of the first flag
  std::vector<uint8_t> flags(static_cast<size_t>((r1 - r0 + 2) * columns));
  for (int64_t i = 0; i < count; ++i) flags[static_cast<size_t>(active[i] - first)] = 1;
  std::vector<uint8_t> near(static_cast<size_t>(columns));  // of one row: active here, above or below
  int64_t found = 0;
  for (int64_t r = r0; r < r1; ++r) {
    const uint8_t* row = flags.data() + (r - r0 + 1) * columns;
    for (int64_t c = 0; c < columns; ++c) near[c] = row[c - columns] | row[c] | row[c + columns];
    for (int64_t c = 1; c <= width; ++c) {
      border[found] = static_cast<int32_t>(r * columns + c);
      found += (near[c - 1] | near[c] | near[c + 1]) & (row[c] ^ 1);
    }
  }
  return found;
}

}  // namespace sparsesr
