// Attention of a map's tokens within segments: assigns keys to queries and packs them.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"
#include "core/window.h"

namespace sparsesr {

struct SegmentAttention {
  InputWindow qkv;  // the whole map: all query channels, then all key channels, then all value channels
  Window out;
  int64_t tokens;
  int64_t segment_tokens;
  int64_t heads;
  int64_t head_dim;
  float scale;
};

// Computes tokens [begin, end) with the kernels of `isa`. Extra memory: the keys and values of one head of one segment;
// throws std::bad_alloc if it cannot be allocated.
void run_segment_attention(Isa isa, const SegmentAttention& attention, int64_t begin, int64_t end, int threads);

}  // namespace sparsesr
