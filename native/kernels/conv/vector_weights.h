// The layouts of kernels that multiply vectors.
//
// Outputs in the lanes of a vector: weights are [input][tap][channel][width], in bf16 by pairs of channels,
// [input][tap][pair][width][2], an odd last channel being paired with a weight of zero. Each output value is bias
// (+ addend), then one multiply-add in fp32 per input, tap and channel, in this order, whatever the tile (in bf16,
// of the two channels of a pair the second comes first).
//
// Channels in the lanes, for few outputs, where most lanes of the other form would be idle: by quads of outputs,
// [quad][input][tap][group of channels][output of the quad][channel], padded with zeros; `layout_steps` of the block
// is the number of vectors per output, 0 in the other form. Each lane adds up as above, then the lanes are added in
// a fixed order, and bias and addend to that.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

constexpr int kQuad = 4;  // outputs that are computed together where channels are in the lanes

// By blocks of kTileOutputs, each in the form that costs less. kLaneChannels channels fill a vector; 0: the kernel
// knows the first form only.
template <typename T, int kTileOutputs, int kLaneChannels>
PackedWeights pack_vectors(const ConvWeights& weights);

}  // namespace sparsesr
