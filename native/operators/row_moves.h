// Moves the last rows of a map's window to its start, where following rows find room behind them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "operators/reached_pixels.h"

namespace sparsesr {

// Rows [shift, shift + rows) of a map that starts at `map` with a border pixel on both sides of each row.
struct RowMove {
  std::byte* map;
  int64_t row_bytes;
  int64_t pixel_bytes;
  int64_t shift;
  int64_t rows;
};

void move_rows(const RowMove& move, int threads);

// The same for a map that has values only at the reached pixels of a mask; the first moved row is row `row0` of the
// image. Rows that the mask does not determine yet are moved as a whole.
void move_rows(const RowMove& move, const ReachedPixels& reached, int64_t row0, int threads);

}  // namespace sparsesr
