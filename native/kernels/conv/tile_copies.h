// Steps of a tiled sum, and copies of non-adjacent pixels. Local to each file that includes this.
#pragma once

#include <immintrin.h>

#include "kernels/conv/tile_plan.h"

namespace sparsesr {
namespace {

constexpr int64_t kRowBytes = kTileBytes / kTilePixels;

// Operands of a step: `channels` values of pixel n, from data + n * stride.
struct Step {
  const char* data;
  int64_t stride;  // bytes
  int64_t channels;
};

// Source of the multiplied pixels: the map, or copies in the ring. Steps with fewer channels than a tile holds are
// copied with zero padding; two steps of 64 channels of a tap are copied together.
enum class Source { kMap, kCopies, kNarrowCopies, kPairedCopies };

constexpr int steps_together(Source source) { return source == Source::kPairedCopies ? 2 : 1; }

// Copied pixels of the current steps and of the next ones.
struct alignas(64) Ring {
  char slots[2][kGroupPixels * 2 * kRowBytes];
  int64_t offsets[kGroupPixels];  // bytes from a step's data to the pixels of `group`
  const PixelGroup* group;
  int64_t stride;
};

// Copies one part of a group's pixels, for all steps from `step` that are copied together. There are as many parts as
// such steps.
template <Source kSource>
__attribute__((always_inline)) inline void copy_rows(Ring& ring, int slot, const PixelGroup& group, const Step& step,
                                                     int part) {
  constexpr int kTogether = steps_together(kSource);
  constexpr int kRows = kGroupPixels / kTogether;
  if (ring.group != &group || ring.stride != step.stride) {
    for (int row = 0; row < kGroupPixels; ++row) ring.offsets[row] = group.in[row] * step.stride;
    ring.group = &group;
    ring.stride = step.stride;
  }
  const bool is_full = kSource != Source::kNarrowCopies || step.channels >= kTileChannels;
  const auto lanes = static_cast<__mmask32>(is_full ? ~0u : (1u << step.channels) - 1u);
  const int64_t* const offsets = ring.offsets + part * kRows;
  char* copy = ring.slots[slot] + part * kRows * kTogether * kRowBytes;
#pragma GCC unroll 32
  for (int row = 0; row < kRows; ++row) {
    const char* pixel = step.data + offsets[row];
#pragma GCC unroll 2
    for (int line = 0; line < kTogether; ++line, pixel += kRowBytes, copy += kRowBytes) {
      const __m512i values = kSource == Source::kNarrowCopies ? _mm512_maskz_loadu_epi16(lanes, pixel)
                                                              : _mm512_loadu_si512(pixel);
      _mm512_store_si512(copy, values);
    }
  }
}

}  // namespace
}  // namespace sparsesr
