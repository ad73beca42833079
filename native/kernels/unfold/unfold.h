// The 3x3 neighbourhood of each pixel as channels.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

constexpr int kNeighbourhood = 9;

struct UnfoldArgs {
  InputWindow x;
  Window out;
  int64_t channels;  // channels of `x`; `out` has nine times as many, channel by channel
};
using UnfoldKernel = void(const UnfoldArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
