// Attention of the tokens of a map within segments: which keys belong to which queries, and how they are
// packed.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"
#include "core/window.h"

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

// Computes tokens [begin, end) with the kernels of `isa`. No more than keys and values of one head of one segment
// are held besides; throws std::bad_alloc if there is no memory for them.
void run_segment_attention(Isa isa, const SegmentAttention& attention, int64_t begin, int64_t end, int threads);

}  // namespace sparsesr
