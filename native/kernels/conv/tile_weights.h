// Weight layout of bf16 tile kernels: 16 pixels x 32 channels times 32 channels x 16 outputs.
//
// The sum is split into steps of up to 32 channels of one tap of one input, in order. A block's weights are
// [pass][step][output tile][channel pair][output][2], zero-padded; a pass is two output tiles, or one if only one
// remains. `layout_steps` of the block is the number of steps. Each output is bias (+ addend), then per step the sum of
// the even channels' products plus that of the odd channels', each accumulated from zero.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

constexpr int kTilePixels = 16;
constexpr int kTileOutputs = 16;
constexpr int kTileChannels = 32;
constexpr int64_t kTileBytes = 1024;
constexpr int kPassTiles = 2;
constexpr int64_t kPassOutputs = kPassTiles * kTileOutputs;

constexpr int kMaxTileSteps = 512;

PackedWeights pack_tiles(const ConvWeights& weights);

// True if the sum has no more steps than the kernels support.
bool suits_tiles(const ConvWeights& weights);

}  // namespace sparsesr
