// Sigmoid of every value of a map.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct SigmoidArgs {
  InputWindow x;
  Window out;  // of the same stride; may be x
  int64_t channels;
};
using SigmoidKernel = void(const SigmoidArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
