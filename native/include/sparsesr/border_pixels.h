// Where a masked map needs zeros: at the inactive pixels that a 3x3 convolution of active ones reads.
#pragma once

#include <cstdint>

namespace sparsesr {

// Appends to `border`, in raster order, the inactive pixels of rows [r0, r1) that touch an active one, diagonally
// too. `active` are the active pixels of rows [r0 - 1, r1 + 1), in any order, numbered r * (width + 2) + x + 1.
// Returns how many were appended; `border` has room for all pixels of the rows.
int64_t append_border_pixels(const int32_t* active, int64_t count, int64_t width, int64_t r0, int64_t r1,
                             int32_t* border);

}  // namespace sparsesr
