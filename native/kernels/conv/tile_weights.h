// Weight layouts of tile kernels: 16 pixels x 64 bytes of channels times as many channels x 16 outputs.
//
// The sum is split into steps of up to 64 bytes. A block's weights are [pass][step][output tile][group][output][channel
// of the group], zero-padded; a group is as many channels as fit in 32 bits, a pass two output tiles, or one if only
// one remains. `layout_steps` of the block is the number of steps.
//
// bf16: a step is up to 32 channels of one tap of one input, in order. Each output is bias (+ addend), then per step
// the sum of the even channels' products plus that of the odd channels', each accumulated from zero.
//
// int8: sums are exact in any order, so a step holds up to 64 channels of one tap, or, of narrow inputs, what lies side
// by side in the three taps of a row (JoinedTaps).
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

constexpr int kTilePixels = 16;
constexpr int kTileOutputs = 16;
constexpr int64_t kRowBytes = 64;
constexpr int64_t kTileBytes = kTilePixels * kRowBytes;
constexpr int kPassTiles = 2;
constexpr int64_t kPassOutputs = kPassTiles * kTileOutputs;

constexpr int64_t kMaxBlockOutputs = 64;  // the pixels of a tile stay in L1 between its passes

constexpr int kMaxTileSteps = 512;

// Three neighbouring pixels, which are the taps of one row, as one run of values: steps of 64, of which the last one
// ends with the run and may repeat values, whose weights are then zero. Saves steps for inputs of up to 32 channels.
struct JoinedTaps {
  static constexpr int kTaps = 3;
  static constexpr int64_t kMostChannels = 32;

  int64_t pixel;  // values per pixel, padding included

  static constexpr bool suit(int64_t channels, int64_t taps) {
    return channels <= kMostChannels && taps == kTaps * kTaps;
  }
  static constexpr JoinedTaps of(int64_t channels) { return {channels > kOutputGranule ? 32 : 16}; }

  constexpr int64_t values() const { return kTaps * pixel; }
  constexpr int64_t steps() const { return values() > kRowBytes ? 2 : 1; }
  constexpr int64_t first_of(int64_t step) const { return step == 0 ? 0 : values() - kRowBytes; }
  constexpr int64_t step_of(int64_t value) const { return value / kRowBytes; }
};

PackedWeights pack_bf16_tiles(const ConvWeights& weights);
PackedWeights pack_int8_tiles(const ConvWeights& weights);

// True if the sum has no more steps than the kernels support.
bool suits_bf16_tiles(const ConvWeights& weights);
bool suits_int8_tiles(const ConvWeights& weights);

}  // namespace sparsesr
