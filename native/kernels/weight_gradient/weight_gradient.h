// Gradient of the weights of one tap of a convolution: a sum of outer products over listed pixels.
#pragma once

#include <cstdint>

namespace sparsesr {

constexpr int64_t kGradientGranule = 16;  // numbers of channels are multiples of this

// Pixel n of a map is at data + n * channels. Maps are aligned to 64 bytes.
struct WeightGradientArgs {
  const float* in;        // the convolution's input, shifted by the tap
  const float* gradient;  // of the convolution's output
  int64_t in_channels;
  int64_t out_channels;
  float* sums;  // [in_channels][out_channels], added to; aligned to 64 bytes
};

// Adds pixel after pixel, in the order of the list, with fused multiply-adds where the instruction set has them.
using WeightGradientKernel = void(const WeightGradientArgs& args, const int32_t* pixels, int64_t count);

}  // namespace sparsesr
