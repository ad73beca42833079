// Inputs of the bicubic kernel other than maps.
#pragma once

#include "kernels/bicubic/bicubic.h"

namespace sparsesr {

// Fills the weights and offsets of `args` for its scale: cubic convolution with a = -0.75 and pixel centres at
// half-integers, as torch.nn.functional.interpolate(mode="bicubic", align_corners=False).
void set_bicubic_phases(BicubicArgs& args);

// First of the four source rows of output row r, before clamping to the image.
int64_t first_source_row(const BicubicArgs& args, int64_t r);

}  // namespace sparsesr
