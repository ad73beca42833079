// Normalisation over the channels of each pixel.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

struct LayerNormArgs {
  InputWindow x;
  Window out;
  const float* weight;
  const float* bias;
  int64_t channels;
  float epsilon;
};
using LayerNormKernel = void(const LayerNormArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
