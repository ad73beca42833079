#include "operators/segment_attention.h"

#include <algorithm>

#include "core/aligned_bytes.h"
#include "core/kernel_table.h"
#include "core/rounding.h"
#include "core/threads.h"

namespace sparsesr {
namespace {

constexpr int64_t kPackGrain = 16;
constexpr int64_t kQueryGrain = 96;

int64_t padded_dim(const SegmentAttention& attention) {
  return rounded_up(attention.head_dim, kAttentionDims);
}

// Packs groups [begin, end) of the keys (or values) that start at `channel`, counted from the segment's first token.
void pack(const SegmentAttention& attention, int64_t channel, int64_t first, int64_t count, float* out,
          int64_t begin, int64_t end) {
  const int64_t dims = padded_dim(attention);
  std::fill(out + begin * dims * kAttentionKeys, out + end * dims * kAttentionKeys, 0.0f);
  for (int64_t key = begin * kAttentionKeys; key < std::min(end * kAttentionKeys, count); ++key) {
    const float* token = token_at(attention.qkv, first + key) + channel;
    float* group = out + key / kAttentionKeys * dims * kAttentionKeys + key % kAttentionKeys;
    for (int64_t d = 0; d < attention.head_dim; ++d) group[d * kAttentionKeys] = token[d];
  }
}

// Attends queries [begin, end) of one head to the keys of their segment: `count` tokens from `first`.
void attend(const KernelTable& table, const SegmentAttention& attention, float* workspace, int64_t head,
            int64_t first, int64_t count, int64_t begin, int64_t end, int threads) {
  const int64_t dims = padded_dim(attention);
  const int64_t groups = rounded_up(count, kAttentionKeys) / kAttentionKeys;
  const int64_t width = attention.heads * attention.head_dim;
  float* keys = workspace;
  float* values = workspace + groups * kAttentionKeys * dims;
  const int64_t channel = head * attention.head_dim;
  parallel_for(threads, 0, groups, kPackGrain, [&](int64_t b, int64_t e) {
    pack(attention, width + channel, first, count, keys, b, e);
    pack(attention, 2 * width + channel, first, count, values, b, e);
  });
  const SegmentAttentionArgs args{keys, values,          count,         groups,  attention.head_dim,
                                  dims, attention.scale, attention.qkv, channel, attention.out,
                                  channel};
  parallel_for(threads, begin, end, kQueryGrain,
               [&](int64_t b, int64_t e) { table.segment_attention.run(args, b, e); });
}

void clear_padding(const SegmentAttention& attention, int64_t begin, int64_t end) {
  const int64_t width = attention.heads * attention.head_dim;
  for (int64_t token = begin; token < end; ++token) {
    float* out = token_at(attention.out, token);
    std::fill(out + width, out + attention.out.stride, 0.0f);
  }
}

// Number of values in the packed keys and values of one head and segment.
int64_t workspace_values(const SegmentAttention& attention) {
  const int64_t keys = std::min(attention.segment_tokens, attention.tokens);
  return 2 * rounded_up(keys, kAttentionKeys) * padded_dim(attention);
}

}  // namespace

void run_segment_attention(Isa isa, const SegmentAttention& attention, int64_t begin, int64_t end,
                           int threads) {
  const KernelTable& table = kernel_table(isa);
  const AlignedBytes bytes =
      aligned_bytes(static_cast<size_t>(workspace_values(attention)) * sizeof(float));
  auto* const workspace = reinterpret_cast<float*>(bytes.get());
  const int64_t length = attention.segment_tokens;
  for (int64_t first = begin / length * length; first < end; first += length) {
    const int64_t count = std::min(length, attention.tokens - first);
    const int64_t from = std::max(begin, first);
    const int64_t to = std::min(end, first + count);
    for (int64_t head = 0; head < attention.heads; ++head) {
      attend(table, attention, workspace, head, first, count, from, to, threads);
    }
  }
  clear_padding(attention, begin, end);
}

}  // namespace sparsesr
