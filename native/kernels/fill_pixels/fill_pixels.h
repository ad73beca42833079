// Copies the same bytes into the last channels of each listed pixel.
#pragma once

#include <cstdint>

#include "core/pixel_numbers.h"

namespace sparsesr {

struct FillPixelsArgs {
  NumberedMap out;
  int64_t pixel_bytes;  // for all channels
  const void* values;
  int64_t bytes;
};
using FillPixelsKernel = void(const FillPixelsArgs& args, const int32_t* pixels, int64_t count);

}  // namespace sparsesr
