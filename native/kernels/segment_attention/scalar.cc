#include <cmath>

#include "kernels/segment_attention/segment_attention.h"

namespace sparsesr {
namespace {

float key_value(const SegmentAttentionArgs& args, const float* packed, int64_t key, int64_t dim) {
  const int64_t group = key / kAttentionKeys;
  return packed[(group * args.padded_dim + dim) * kAttentionKeys + key % kAttentionKeys];
}

float score(const SegmentAttentionArgs& args, const float* query, int64_t key) {
  float sum = 0.0f;
  for (int64_t d = 0; d < args.head_dim; ++d) sum += query[d] * key_value(args, args.keys, key, d);
  return sum * args.scale;
}

}  // namespace

// Two passes over the keys: the highest score, then the weighted sum.
void f32_segment_attention__scalar(const SegmentAttentionArgs& args, int64_t begin, int64_t end) {
  float sums[kMaxHeadDim];
  for (int64_t token = begin; token < end; ++token) {
    const float* query = token_at(args.queries, token) + args.query_channel;
    float* out = token_at(args.out, token) + args.out_channel;
    float highest = score(args, query, 0);
    for (int64_t key = 1; key < args.key_count; ++key) highest = std::fmax(highest, score(args, query, key));
    float total = 0.0f;
    for (int64_t d = 0; d < args.head_dim; ++d) sums[d] = 0.0f;
    for (int64_t key = 0; key < args.key_count; ++key) {
      const float weight = std::exp(score(args, query, key) - highest);
      total += weight;
      for (int64_t d = 0; d < args.head_dim; ++d) sums[d] += weight * key_value(args, args.values, key, d);
    }
    for (int64_t d = 0; d < args.head_dim; ++d) out[d] = sums[d] / total;
  }
}

}  // namespace sparsesr
