// Weight layouts of the vector kernels.
//
// Outputs in the lanes: weights are [input][tap][channel][width]; in bf16, by channel pairs,
// [input][tap][pair][width][2], where an odd last channel is paired with a zero weight; for U8 inputs as int8, by four
// channels, [input][tap][four][width][4]. Each output is bias (+ addend),
// then one fp32 multiply-add per input, tap and channel, in this order, regardless of the tile (in bf16, the second
// channel of a pair comes first).
//
// Channels in the lanes, for few outputs, where the other layout would leave most lanes idle: by quads of outputs,
// [quad][input][tap][channel group][output of the quad][channel], zero-padded; `layout_steps` of the block is the
// number of vectors per output, 0 in the other layout. Each lane accumulates as above, then the lanes are summed in a
// fixed order, and bias and addend are added last.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

constexpr int kQuad = 4;  // outputs computed together if channels are in the lanes

// Packs blocks of kTileOutputs, each in the cheaper layout. kLaneChannels channels fill a vector; 0: the kernel
// supports only the first layout.
template <typename T, int kTileOutputs, int kLaneChannels>
PackedWeights pack_vectors(const ConvWeights& weights);

}  // namespace sparsesr
