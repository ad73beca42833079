// Sizes rounded up to whole blocks.
#pragma once

#include <cstdint>

namespace sparsesr {

// Internal linkage for the same reason as pixel_at in window.h.
static constexpr int64_t rounded_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace sparsesr
