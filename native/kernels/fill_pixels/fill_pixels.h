// Copies the same bytes to each listed pixel: its last channels.
#pragma once

#include <cstdint>

#include "core/pixel_numbers.h"

namespace sparsesr {

struct FillPixelsArgs {
  NumberedMap out;
  int64_t pixel_bytes;  // of all channels
  const void* values;
  int64_t bytes;
};
using FillPixelsKernel = void(const FillPixelsArgs& args, const int32_t* pixels, int64_t count);

}  // namespace sparsesr
