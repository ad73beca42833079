// Packing of weights into tiles, and unpacking of gradient sums to weights.
#pragma once

#include "kernels/train_conv/pixel_pairs.h"
#include "kernels/train_conv/train_conv.h"

namespace sparsesr {
namespace {

// fp32 weights (outputs, 3, 3, inputs).
struct PlainWeights {
  const float* values;
  int64_t channels;

  const float* at(int64_t output, int dy, int dx, int64_t input) const {
    return values + ((output * 3 + dy) * 3 + dx) * channels + input;
  }
};

inline __m512i narrow32(const float* lower, const float* upper) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_loadu_ps(upper), _mm512_loadu_ps(lower)));
}

// A tile is [pair of summed channels][16 computed channels][2].
inline void pack_forward_tile(const PlainWeights& weights, int64_t output, int dy, int dx, int64_t input, Bf16* to) {
  __m512i rows[16];
  for (int i = 0; i < 16; ++i) {
    const float* const from = weights.at(output + i, dy, dx, input);
    rows[i] = narrow32(from, from + 16);
  }
  transpose(rows);
  for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + 32 * i, rows[i]);
}

// For the input gradient: computes inputs, sums over outputs, mirrors the taps.
inline void pack_backward_tile(const PlainWeights& weights, int64_t input, int dy, int dx, int64_t output, Bf16* to) {
  const __m512i halves = _mm512_setr_epi32(0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006,
                                           0x170007, 0x180008, 0x190009, 0x1a000a, 0x1b000b, 0x1c000c, 0x1d000d,
                                           0x1e000e, 0x1f000f);
  for (int i = 0; i < 16; ++i) {
    const float* const first = weights.at(output + 2 * i, 2 - dy, 2 - dx, input);
    const float* const second = weights.at(output + 2 * i + 1, 2 - dy, 2 - dx, input);
    _mm512_storeu_si512(to + 32 * i, _mm512_permutexvar_epi16(halves, narrow32(first, second)));
  }
}

// Packs the tiles in the order in which the convolution reads them.
inline void pack_tiles(const float* values, int64_t channels, Bf16* forward, Bf16* backward) {
  const PlainWeights weights{values, channels};
  for (int64_t computed = 0; computed < channels; computed += 16) {
    for (int dx = 0; dx < 3; ++dx) {
      for (int64_t summed = 0; summed < channels; summed += 32) {
        for (int dy = 0; dy < 3; ++dy) {
          pack_forward_tile(weights, computed, dy, dx, summed, forward);
          pack_backward_tile(weights, computed, dy, dx, summed, backward);
          forward += kTileValues;
          backward += kTileValues;
        }
      }
    }
  }
}

inline __m512 add_sums(const TrainGradientArgs& args, int64_t place) {
  __m512 sum = _mm512_loadu_ps(args.sums + place);
  for (int64_t i = 1; i < args.count; ++i) {
    sum = _mm512_add_ps(sum, _mm512_loadu_ps(args.sums + i * args.stride + place));
  }
  return sum;
}

inline void unpack_row(const TrainGradientArgs& args, int64_t output) {
  const int64_t tiles = args.channels / 16;
  float* to = args.weights + output * 9 * args.channels;
  for (int tap = 0; tap < 9; ++tap) {
    for (int64_t input = 0; input < tiles; ++input) {
      const int64_t tile = ((output / 16 * tiles + input) * 3 + tap % 3) * 3 + tap / 3;
      _mm512_storeu_ps(to, add_sums(args, tile * kTileFloats + output % 16 * 16));
      to += 16;
    }
  }
}

}  // namespace
}  // namespace sparsesr
