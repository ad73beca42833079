// Attention among the tokens of a segment; a token is a pixel, in raster order.
#pragma once

#include <cstdint>

#include "core/window.h"

namespace sparsesr {

constexpr int kMaxHeadDim = 32;
constexpr int kAttentionKeys = 16;  // keys are packed in groups of this size: [group][dim][key]
constexpr int kAttentionDims = 6;   // dimensions of packed keys and values are padded to a multiple of this
constexpr int kMaxPaddedDim = (kMaxHeadDim + kAttentionDims - 1) / kAttentionDims * kAttentionDims;

// One head of one segment. Padded dimensions and keys are zero.
struct SegmentAttentionArgs {
  const float* keys;
  const float* values;
  int64_t key_count;
  int64_t groups;
  int64_t head_dim;
  int64_t padded_dim;
  float scale;  // scale of the scores
  InputWindow queries;
  int64_t query_channel;  // first channel of the head's queries
  Window out;
  int64_t out_channel;
};
// Computes tokens [begin, end): softmax over the keys of scale * query . key, times the values.
using SegmentAttentionKernel = void(const SegmentAttentionArgs& args, int64_t begin, int64_t end);

}  // namespace sparsesr
