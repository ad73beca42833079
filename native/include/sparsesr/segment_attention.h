// Attention of the tokens of a map within segments: which keys belong to which queries, and how they are
// packed.
#pragma once

#include <cstdint>

#include "sparsesr/kernel_table.h"

namespace sparsesr {

struct SegmentAttention {
  InputWindow qkv;  // the whole map: channels of all queries, then of all keys, then of all values
  Window out;
  int64_t tokens;
  int64_t segment_tokens;
  int64_t heads;
  int64_t head_dim;
  float scale;
};

// Values of working memory that `run_segment_attention` needs: keys and values of one head of one segment.
int64_t segment_attention_workspace(const SegmentAttention& attention);

// Computes tokens [begin, end). `workspace` is 64-byte aligned.
void run_segment_attention(const KernelTable& table, const SegmentAttention& attention, float* workspace,
                           int64_t begin, int64_t end, int threads);

}  // namespace sparsesr
