// What each operation's kernels are given. A kernel has no checks, no allocation, no exceptions and no
// logging; it handles the range of rows (or list positions) [begin, end) that it is given.
#pragma once

#include <cstdint>

#include "sparsesr/bf16.h"
#include "sparsesr/window.h"

namespace sparsesr {

// ---- convolution ------------------------------------------------------------------------------------

constexpr int kMaxSplits = 16;
constexpr int kMaxTaps = 9;
constexpr int kOutputGranule = 16;  // packed output channels are a multiple of this
constexpr int kQuad = 4;            // outputs that are computed together where channels are in the lanes

enum class Activation : int { kNone, kRelu, kLeakyRelu };

// A window seen by pixel number: pixel n of the picture is at data + (n + shift) * stride. The kernel knows
// the type of its values.
struct ConvMap {
  void* data;
  int64_t shift;
  int64_t stride;
};

// Internal linkage for the same reason as pixel_at of window.h.
template <typename T>
static inline T* pixel_of(const ConvMap& map, int32_t pixel) {
  return static_cast<T*>(map.data) + (pixel + map.shift) * map.stride;
}

struct ConvInput {
  const void* data;
  int64_t shift;
  int64_t stride;
  int64_t channels;
  // Of these, those that count at every tap, a multiple of what is multiplied at once; see ConvArgs::taps.
  int64_t always;
};

// All that is the same for every pixel and block of outputs of one call. The inputs are of one type, `out`,
// `addend` and `residual` of another or the same.
struct ConvArgs {
  ConvInput inputs[kMaxSplits];
  int64_t tap_pixels[kMaxTaps];  // what to add to a pixel number, per tap
  int input_count;
  int tap_count;
  // For each listed pixel, bit by bit, at which taps channels behind `always` may be other than zero; null:
  // at all. A kernel may leave the others out: what they would add is zero.
  const uint16_t* taps;
  ConvMap out;
  int64_t clear_end;  // the last block also clears the channels of `out` behind it, up to this one
  ConvMap addend;     // added before the activation; data is null without one
  ConvMap residual;   // added after the activation; data is null without one
  Activation activation;
  float slope;          // of kLeakyRelu, for all outputs
  const float* slopes;  // one per output instead; may be null
};

// Up to one tile of output channels, 64-byte aligned, in one of two forms; for inputs in bf16 weights are
// bf16 too.
//
// Outputs in the lanes of a vector: weights are [input][tap][channel][width], in bf16 by pairs of channels,
// [input][tap][pair][width][2], an odd last channel being paired with a weight of zero.
//
// Channels in the lanes, for few outputs, where most lanes of the other form would be idle: by quads of
// outputs, [quad][input][tap][group of channels][output of the quad][channel], padded with zeros. Such a
// block is only made for kernels that know the form, see packing_rules().
struct ConvBlock {
  const void* weights;
  const float* bias;  // width values
  int64_t first;      // first output channel
  int64_t width;      // multiple of kOutputGranule, padded with zero weights
  int64_t valid;      // channels that exist
  int64_t lane_steps;  // vectors of weights per output if channels are in the lanes, else 0
  bool is_last;       // the kernel clears what is behind it, see ConvArgs::clear_end
};

// Computes one block of outputs at `count` pixels. Input and output pixel numbers are the same list for an
// ordinary convolution; they differ for the phases of a transposed one. With outputs in the lanes each output
// value is bias (+ addend), then one multiply-add in fp32 per input, tap and channel, in this order, whatever
// the tile (in bf16, of the two channels of a pair the second comes first). With channels in the lanes, each
// lane adds up so, and then the lanes are added in a fixed order, and bias and addend to that.
using ConvKernel = void(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                        const int32_t* out_pixels, int64_t count);

// ---- lists of pixels --------------------------------------------------------------------------------

// Copies `bytes` bytes to each listed pixel: its last channels.
struct FillPixelsArgs {
  ConvMap out;
  int64_t pixel_bytes;  // of all channels
  const void* values;
  int64_t bytes;
};
using FillPixelsKernel = void(const FillPixelsArgs& args, const int32_t* pixels, int64_t count);

struct MaskArgs {
  InputWindow logits;  // channel 0: unimportant, channel 1: important
  float bias;          // added to channel 1
  int32_t* active;
  int32_t* inactive;
  int64_t active_count;
  int64_t inactive_count;
};
// Appends to both lists and updates the counts; serial, for the lists are in raster order.
using MaskKernel = void(MaskArgs& args, int64_t begin, int64_t end);

// ---- feature maps -----------------------------------------------------------------------------------

template <typename T>
struct AvgPoolArgsOf {
  WindowOf<const T> x;
  WindowOf<T> out;
};
using AvgPoolArgs = AvgPoolArgsOf<float>;
template <typename T>
using AvgPoolKernelOf = void(const AvgPoolArgsOf<T>& args, int64_t begin, int64_t end);

template <typename T>
struct RowSumsArgsOf {
  WindowOf<const T> x;
  double* sums;  // [row of the picture][channel]
  int64_t channels;
};
using RowSumsArgs = RowSumsArgsOf<float>;
template <typename T>
using RowSumsKernelOf = void(const RowSumsArgsOf<T>& args, int64_t begin, int64_t end);

struct ChannelAttentionArgs {
  const float* mean;
  const float* w1;  // [hidden][channels]
  const float* b1;
  const float* w2;  // [channels][hidden]
  const float* b2;
  float* hidden_values;
  float* out;
  int64_t channels;
  int64_t hidden;
};
using ChannelAttentionKernel = void(const ChannelAttentionArgs& args);

template <typename T>
struct ScaleAddArgsOf {
  WindowOf<const T> x;
  WindowOf<const T> residual;  // data is null without one
  WindowOf<T> out;
  const float* scale;
  int64_t channels;
};
using ScaleAddArgs = ScaleAddArgsOf<float>;
template <typename T>
using ScaleAddKernelOf = void(const ScaleAddArgsOf<T>& args, int64_t begin, int64_t end);

struct BilinearArgs {
  InputWindow x;
  int64_t x_height;
  int64_t out_height;
  Window out;
};
using BilinearKernel = void(const BilinearArgs& args, int64_t begin, int64_t end);

constexpr int kMaxScale = 8;
constexpr int kMaxAddends = 16;

// Maps of the same stride: sum of inputs[i] * factors[i], then the activation.
struct AddArgs {
  InputWindow inputs[kMaxAddends];
  float factors[kMaxAddends];
  int input_count;
  Activation activation;
  const float* slopes;  // of kLeakyRelu, one per channel
  int64_t channels;
  Window out;
};
using AddKernel = void(const AddArgs& args, int64_t begin, int64_t end);

struct PixelShuffleArgs {
  InputWindow x;
  InputWindow skip;  // data is null without one
  Window out;
  int64_t scale;
  int64_t channels;  // of `out`; `x` has scale^2 times as many
};
using PixelShuffleKernel = void(const PixelShuffleArgs& args, int64_t begin, int64_t end);

// ---- tokens: a token is a pixel, in raster order ------------------------------------------------------

struct UnfoldArgs {
  InputWindow x;
  Window out;
  int64_t channels;  // of x; the token has nine times as many, channel by channel
};
using UnfoldKernel = void(const UnfoldArgs& args, int64_t begin, int64_t end);

struct FoldArgs {
  InputWindow x;
  Window out;
  int64_t channels;  // of out
};
using FoldKernel = void(const FoldArgs& args, int64_t begin, int64_t end);

struct LayerNormArgs {
  InputWindow x;
  Window out;
  const float* weight;
  const float* bias;
  int64_t channels;
  float epsilon;
};
using LayerNormKernel = void(const LayerNormArgs& args, int64_t begin, int64_t end);

constexpr int kMaxHeadDim = 32;
constexpr int kAttentionKeys = 16;  // keys are packed by groups of this size: [group][dim][key]
constexpr int kAttentionDims = 6;   // dimensions of packed keys and values are padded to a multiple of this
constexpr int kMaxPaddedDim = (kMaxHeadDim + kAttentionDims - 1) / kAttentionDims * kAttentionDims;

// One head of one segment. Packed dimensions and keys beyond the last are zero.
struct SegmentAttentionArgs {
  const float* keys;
  const float* values;
  int64_t key_count;
  int64_t groups;
  int64_t head_dim;
  int64_t padded_dim;
  float scale;  // of scores
  InputWindow queries;
  int64_t query_channel;  // where the head's query begins
  Window out;
  int64_t out_channel;
};
// Tokens [begin, end): softmax over the keys of scale * query . key, times the values.
using SegmentAttentionKernel = void(const SegmentAttentionArgs& args, int64_t begin, int64_t end);

// ---- pictures: three channels, four values per pixel --------------------------------------------------

constexpr int kPictureChannels = 3;
constexpr int kPictureStride = 4;

struct BicubicArgs {
  InputWindow x;
  int64_t x_height;
  Window out;
  int64_t scale;
  float weights[kMaxScale][4];  // per phase, the four source pixels from offset[phase] on
  int64_t offset[kMaxScale];
};
using BicubicKernel = void(const BicubicArgs& args, int64_t begin, int64_t end);

enum class PixelType : int { kU8, kU16, kF32 };

struct ImageArgs {
  const void* image;  // [height][width][3]
  PixelType type;
  int64_t height;
  int64_t width;
  float offset[kPictureChannels];  // subtracted
  Window out;                      // rows and columns beyond the image repeat its edge
};
using ImageKernel = void(const ImageArgs& args, int64_t begin, int64_t end);

struct StoreArgs {
  InputWindow x;
  void* image;  // [height][width][3]
  PixelType type;
  int64_t width;
};
using StoreKernel = void(const StoreArgs& args, int64_t begin, int64_t end);

// ---- measurement ------------------------------------------------------------------------------------

// Independent multiply-adds in registers; returns a value that depends on all of them.
using PeakKernel = float(int64_t iterations);

}  // namespace sparsesr
