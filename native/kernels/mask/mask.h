// Selection of the active pixels by their logits.
#pragma once

#include <cstdint>

#include "core/pixel_bits.h"
#include "core/window.h"

namespace sparsesr {

struct MaskArgs {
  InputWindow logits;  // channel 0: unimportant, channel 1: important
  float bias;          // added to channel 1
  PixelBits active;
};
using MaskKernel = void(const MaskArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
