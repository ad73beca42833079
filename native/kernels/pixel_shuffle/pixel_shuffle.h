// Rearrangement of channels to pixels, as torch.nn.PixelShuffle, plus an optional image.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct PixelShuffleArgs {
  InputWindow x;
  InputWindow skip;  // data is null if unused
  Window out;
  int64_t scale;
  int64_t channels;  // channels of `out`; `x` has scale^2 times as many
};
using PixelShuffleKernel = void(const PixelShuffleArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
