// What the bicubic kernel is given besides maps.
#pragma once

#include "kernels/bicubic/bicubic.h"

namespace sparsesr {

// Fills weights and offsets of `args` for its scale: cubic convolution with a = -0.75, pixel centres at
// half-integers, as torch.nn.functional.interpolate(mode="bicubic", align_corners=False).
void set_bicubic_phases(BicubicArgs& args);

// First of the four source rows of output row r, before clamping to the picture.
int64_t first_source_row(const BicubicArgs& args, int64_t r);

}  // namespace sparsesr
