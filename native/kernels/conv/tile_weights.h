// The layout of kernels that multiply tiles of bf16: 16 pixels x 32 channels times 32 channels x 16 outputs.
//
// The sum is cut into steps of up to 32 channels of one tap of one input, in order. Weights of a block are
// [pass][step][tile of outputs][pair of channels][output][2], padded with zeros: a pass is two tiles of outputs, the last
// one if need be one. `layout_steps` of the block is the number of steps. Each output value is bias (+ addend), then per
// step the sum of the products of even channels plus that of odd channels, each added up from zero.
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

// Whether the sum has no more steps than kernels know.
bool suits_tiles(const ConvWeights& weights);

}  // namespace sparsesr
