// Channels to pixels, as torch.nn.PixelShuffle, plus a picture.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct PixelShuffleArgs {
  InputWindow x;
  InputWindow skip;  // data is null without one
  Window out;
  int64_t scale;
  int64_t channels;  // of `out`; `x` has scale^2 times as many
};
using PixelShuffleKernel = void(const PixelShuffleArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
