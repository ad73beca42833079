// Maps addressed by pixel number: pixel (r, x) of an image has the number r * (width + 2) + x + 1.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

// Pixel n is at data + (n + shift) * stride. Users know the value type.
struct NumberedMap {
  void* data;
  int64_t shift;
  int64_t stride;
};

inline NumberedMap by_pixel_number(const AnyWindow& window) {
  return {window.data, -window.row0 * (window.width + 2), window.stride};
}

// Internal linkage for the same reason as pixel_at in window.h.
template <typename T>
static inline T* pixel_of(const NumberedMap& map, int32_t pixel) {
  return static_cast<T*>(map.data) + (pixel + map.shift) * map.stride;
}

}  // namespace sparsesr
