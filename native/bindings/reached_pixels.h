// Pixels within some distance of an active one, as Python gives them: a mask and the distance.
#pragma once

#include <cstdint>
#include <utility>

#include "operators/reached_pixels.h"

namespace sparsesr::bindings {

using MaskAndReach = std::pair<const PixelMask*, int64_t>;

// They are known for rows [r0, r1) of a map of this width.
void check_reached(const MaskAndReach& reached, int64_t width, int64_t r0, int64_t r1);

}  // namespace sparsesr::bindings
