// Two 3x3 convolutions of an image, one after the other, folded into one of 5x5.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

constexpr int64_t kFoldedReach = 2;
constexpr int64_t kFoldedSide = 2 * kFoldedReach + 1;
constexpr int64_t kFoldedTaps = kFoldedSide * kImageChannels * kFoldedSide;  // row, channel, column
constexpr int64_t kFoldedTogether = 12;  // outputs summed side by side
constexpr int64_t kMaxFoldedPixels = 64;  // of one call

struct FoldedConvsArgs {
  InputWindow image;
  int64_t height;        // rows beyond it count as zero, and need not be there
  const float* weights;  // [outputs / kFoldedTogether, rounded up][kFoldedTaps][kFoldedTogether], padded with zeros
  const float* bias;     // likewise padded
  int64_t outputs;
  Window out;            // its channels beyond the outputs become zero up to the next multiple of four
};
// Computes columns [first, end) of one row, neither the image's first nor its last one.
using FoldedConvsKernel = void(const FoldedConvsArgs& args, int64_t row, int64_t first, int64_t end);

}  // namespace sparsesr
