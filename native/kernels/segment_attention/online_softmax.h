// Attention of a query tile to all keys of a segment, for one head, without materialising a row of scores.
//
// Keys are in the lanes: each lane runs its own online softmax over every n-th key, with its own running maximum; lanes
// are combined only at the end. Keys and values are processed in blocks, so that a block stays in L1 while all queries
// of the tile use it. The computation for a query depends only on the keys, so neither tiles nor threads change a bit.
//
// `V` is the instruction set: a vector type, its lanes, and the operations below. Everything has internal linkage on
// purpose, see window.h.
#pragma once

#include <cstdint>

#include "kernels/exp2_series.h"
#include "kernels/segment_attention/segment_attention.h"

namespace sparsesr {
namespace {

constexpr int kTileQueries = 12;  // their sums (13.5 KiB) and a block of keys and values (27 KiB) stay in L1
constexpr float kNoScore = -3e38f;  // for missing keys; finite, because infinities would produce NaN
constexpr float kNoMaximum = -1e30f;

// kQueries x kGroups score vectors and kQueries x kAttentionDims accumulators fit in the registers.
template <typename V, int kQueries, int kGroups, int kGroupsPerBlock>
struct OnlineSoftmax {
  using Vector = typename V::Vector;
  static constexpr int kLanes = V::kLanes;
  static constexpr int kParts = kAttentionKeys / kLanes;  // vectors per packed group of keys
  static constexpr int kBlockVectors = kGroupsPerBlock * kParts;
  static_assert(kBlockVectors % kGroups == 0 && kTileQueries % kQueries == 0);

  const SegmentAttentionArgs& args;
  int64_t dims;  // padded
  alignas(64) float queries[kTileQueries * kMaxPaddedDim];
  alignas(64) float state[kTileQueries * kMaxPaddedDim * kLanes];  // weighted sums, [query][dim][lane]
  alignas(64) float maximum[kTileQueries * kLanes];
  alignas(64) float total[kTileQueries * kLanes];
  alignas(64) float scores[kQueries * kBlockVectors * kLanes];

  explicit OnlineSoftmax(const SegmentAttentionArgs& given) : args(given), dims(given.padded_dim) {}

  void run(int64_t first, int64_t count) {
    begin(first, count);
    const int64_t groups = args.groups;
    for (int64_t group = 0; group < groups; group += kGroupsPerBlock) {
      const int64_t here = groups - group < kGroupsPerBlock ? groups - group : kGroupsPerBlock;
      for (int q = 0; q < kTileQueries && q < count; q += kQueries) attend(q, group, here);
    }
    finish(first, count);
  }

 private:
  // Scales the queries once, to base 2; missing queries are zero.
  void begin(int64_t first, int64_t count) {
    const float factor = args.scale * kLog2E;
    for (int64_t q = 0; q < kTileQueries; ++q) {
      const float* query = q < count ? token_at(args.queries, first + q) + args.query_channel : nullptr;
      for (int64_t d = 0; d < dims; ++d) {
        queries[q * dims + d] = query != nullptr && d < args.head_dim ? query[d] * factor : 0.0f;
      }
    }
    for (int64_t i = 0; i < kTileQueries * kLanes; ++i) maximum[i] = kNoMaximum;
    for (int64_t i = 0; i < kTileQueries * kLanes; ++i) total[i] = 0.0f;
    for (int64_t i = 0; i < kTileQueries * dims * kLanes; ++i) state[i] = 0.0f;
  }

  void attend(int q, int64_t group, int64_t groups) {
    const int64_t vectors = groups * kParts;
    for (int64_t v = 0; v < vectors; v += kGroups) {
      if (vectors - v >= kGroups) {
        score<kGroups>(q, group, v);
      } else {
        for (int64_t rest = v; rest < vectors; ++rest) score<1>(q, group, rest);
      }
    }
    if (group + groups == args.groups) hide_missing(vectors);
    Vector correction[kQueries];
    exponentiate(q, vectors, correction);
    for (int64_t d = 0; d < dims; d += kAttentionDims) add_values(q, group, vectors, d, correction);
  }

  // scores[query][vector] = query . key, for kCount vectors of keys.
  template <int kCount>
  __attribute__((always_inline)) void score(int q, int64_t group, int64_t vector) {
    const float* keys[kCount];
#pragma GCC unroll 8
    for (int g = 0; g < kCount; ++g) keys[g] = packed(args.keys, group, vector + g);
    const float* query = queries + q * dims;
    Vector sum[kQueries][kCount];
#pragma GCC unroll 8
    for (int i = 0; i < kQueries; ++i) {
#pragma GCC unroll 8
      for (int g = 0; g < kCount; ++g) sum[i][g] = V::zero();
    }
    for (int64_t d = 0; d < dims; ++d) {
      Vector value[kQueries];
#pragma GCC unroll 8
      for (int i = 0; i < kQueries; ++i) value[i] = V::broadcast(query[i * dims + d]);
#pragma GCC unroll 8
      for (int g = 0; g < kCount; ++g) {
        const Vector key = V::load(keys[g] + d * kAttentionKeys);
#pragma GCC unroll 8
        for (int i = 0; i < kQueries; ++i) sum[i][g] = V::multiply_add(value[i], key, sum[i][g]);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kQueries; ++i) {
#pragma GCC unroll 8
      for (int g = 0; g < kCount; ++g) V::store(score_at(i, vector + g), sum[i][g]);
    }
  }

  // The last group may hold fewer keys than lanes.
  void hide_missing(int64_t vectors) {
    const int64_t first = args.key_count - (args.groups - 1) * kAttentionKeys;
    const int64_t begin = (vectors - kParts) * kLanes + first;
    for (int i = 0; i < kQueries; ++i) {
      for (int64_t k = begin; k < vectors * kLanes; ++k) score_at(i, 0)[k] = kNoScore;
    }
  }

  // Turns scores into weights; earlier sums must be multiplied by `correction`.
  __attribute__((always_inline)) void exponentiate(int q, int64_t vectors, Vector* correction) {
    Vector highest[kQueries];
    Vector sum[kQueries];
#pragma GCC unroll 8
    for (int i = 0; i < kQueries; ++i) highest[i] = V::load(maximum + (q + i) * kLanes);
    for (int64_t v = 0; v < vectors; ++v) {
#pragma GCC unroll 8
      for (int i = 0; i < kQueries; ++i) highest[i] = V::maximum(highest[i], V::load(score_at(i, v)));
    }
#pragma GCC unroll 8
    for (int i = 0; i < kQueries; ++i) {
      correction[i] = V::exp2(V::subtract(V::load(maximum + (q + i) * kLanes), highest[i]));
      sum[i] = V::multiply(V::load(total + (q + i) * kLanes), correction[i]);
      V::store(maximum + (q + i) * kLanes, highest[i]);
    }
    for (int64_t v = 0; v < vectors; ++v) {
#pragma GCC unroll 8
      for (int i = 0; i < kQueries; ++i) {
        const Vector weight = V::exp2(V::subtract(V::load(score_at(i, v)), highest[i]));
        V::store(score_at(i, v), weight);
        sum[i] = V::add(sum[i], weight);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kQueries; ++i) V::store(total + (q + i) * kLanes, sum[i]);
  }

  __attribute__((always_inline)) void add_values(int q, int64_t group, int64_t vectors, int64_t first_dim,
                                                 const Vector* correction) {
    Vector sum[kQueries][kAttentionDims];
#pragma GCC unroll 8
    for (int i = 0; i < kQueries; ++i) {
#pragma GCC unroll 8
      for (int d = 0; d < kAttentionDims; ++d) {
        sum[i][d] = V::multiply(V::load(state_at(q + i, first_dim + d)), correction[i]);
      }
    }
    for (int64_t v = 0; v < vectors; ++v) {
      const float* values = packed(args.values, group, v) + first_dim * kAttentionKeys;
      Vector weight[kQueries];
#pragma GCC unroll 8
      for (int i = 0; i < kQueries; ++i) weight[i] = V::load(score_at(i, v));
#pragma GCC unroll 8
      for (int d = 0; d < kAttentionDims; ++d) {
        const Vector value = V::load(values + d * kAttentionKeys);
#pragma GCC unroll 8
        for (int i = 0; i < kQueries; ++i) sum[i][d] = V::multiply_add(weight[i], value, sum[i][d]);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kQueries; ++i) {
#pragma GCC unroll 8
      for (int d = 0; d < kAttentionDims; ++d) V::store(state_at(q + i, first_dim + d), sum[i][d]);
    }
  }

  // Rescales the lanes of each query to a common maximum and adds them.
  void finish(int64_t first, int64_t count) {
    alignas(64) float share[kLanes];
    for (int64_t q = 0; q < count; ++q) {
      float highest = kNoMaximum;
      for (int l = 0; l < kLanes; ++l) {
        highest = maximum[q * kLanes + l] > highest ? maximum[q * kLanes + l] : highest;
      }
      V::store(share, V::exp2(V::subtract(V::load(maximum + q * kLanes), V::broadcast(highest))));
      float sum = 0.0f;
      for (int l = 0; l < kLanes; ++l) sum += share[l] * total[q * kLanes + l];
      float* out = token_at(args.out, first + q) + args.out_channel;
      for (int64_t d = 0; d < args.head_dim; ++d) {
        float value = 0.0f;
        for (int l = 0; l < kLanes; ++l) value += share[l] * state_at(q, d)[l];
        out[d] = value / sum;
      }
    }
  }

  float* score_at(int i, int64_t vector) { return scores + (i * kBlockVectors + vector) * kLanes; }
  float* state_at(int64_t q, int64_t d) { return state + (q * dims + d) * kLanes; }

  // First dimension of vector `vector` in the block that starts at group `group`.
  const float* packed(const float* data, int64_t group, int64_t vector) const {
    return data + (group + vector / kParts) * dims * kAttentionKeys + vector % kParts * kLanes;
  }
};

template <typename Softmax>
void attend_in_tiles(const SegmentAttentionArgs& args, int64_t begin, int64_t end) {
  Softmax softmax(args);
  for (int64_t first = begin; first < end; first += kTileQueries) {
    softmax.run(first, end - first < kTileQueries ? end - first : kTileQueries);
  }
}

}  // namespace
}  // namespace sparsesr
