// Sorting of pixels into active and inactive ones.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct MaskArgs {
  InputWindow logits;  // channel 0: unimportant, channel 1: important
  float bias;          // added to channel 1
  int32_t* active;
  int32_t* inactive;
  int64_t active_count;
  int64_t inactive_count;
};
// Appends to both lists and updates the counts; serial, because the lists are in raster order.
using MaskKernel = void(MaskArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
