// Steps of a tiled sum, and copies of non-adjacent pixels. Local to each file that includes this.
#pragma once

#include <immintrin.h>

#include "kernels/conv/tile_plan.h"

namespace sparsesr {
namespace {

// Operands of a step: `bytes` of pixel n, from data + n * stride.
struct Step {
  const char* data;
  int64_t stride;  // bytes
  int64_t bytes;
  // Of joined taps whose pixels have more padding than the weights were packed for: the taps start at pixel n, and are
  // put together as if they lay side by side.
  bool is_apart;
  int64_t tap_bytes;
  JoinedTaps joined;
  int64_t first;  // of the joined values
};

// Source of the multiplied pixels: the map, or copies in the ring; of bf16, two steps of a tap copied together.
enum class Source { kMap, kCopies, kPairedCopies };

constexpr int steps_together(Source source) { return source == Source::kPairedCopies ? 2 : 1; }

constexpr int kMostAhead = 2;

// Copied pixels of the current step and of the next ones, in slots of one step, or of two steps copied together. Small,
// so that it stays in L1 with the weights that pass by; keeping all copies of a group for its other passes took longer.
struct alignas(64) Ring {
  static constexpr int kSlots = kMostAhead + 1;

  char slots[kSlots][kGroupPixels * 2 * kRowBytes];
  int64_t offsets[kGroupPixels];  // bytes from a step's data to the pixels of `group`
  const PixelGroup* group;
  int64_t stride;
  int first;  // slot of the current step
  int ahead;  // slots that are full, from the first one

  static int after(int slot, int count) { return slot + count < kSlots ? slot + count : slot + count - kSlots; }

  void find_offsets(const PixelGroup& of, int64_t step_stride) {
    if (group == &of && stride == step_stride) return;
    for (int row = 0; row < kGroupPixels; ++row) offsets[row] = of.in[row] * step_stride;
    group = &of;
    stride = step_stride;
  }
};

inline __mmask64 bytes_below(int64_t count) { return count >= kRowBytes ? ~0ull : (1ull << count) - 1; }

// One row of joined taps that lie apart.
inline void copy_apart(const Step& step, const char* pixel, char* row) {
  for (int64_t tap = 0; tap < JoinedTaps::kTaps; ++tap, pixel += step.stride) {
    const int64_t at = tap * step.joined.pixel - step.first;
    if (at < 0 || at >= kRowBytes) continue;
    const __mmask64 bytes = bytes_below(step.tap_bytes);
    _mm512_mask_storeu_epi8(row + at, bytes, _mm512_maskz_loadu_epi8(bytes, pixel));
  }
}

// Copies kRows rows of `kLines` whole lines.
template <int kRows, int kLines>
__attribute__((always_inline)) inline void copy_lines(const char* data, const int64_t* offsets, char* copy) {
#pragma GCC unroll 32
  for (int row = 0; row < kRows; ++row) {
    const char* pixel = data + offsets[row];
#pragma GCC unroll 2
    for (int line = 0; line < kLines; ++line, pixel += kRowBytes, copy += kRowBytes) {
      _mm512_store_si512(copy, _mm512_loadu_si512(pixel));
    }
  }
}

// Rows of fewer bytes than a line has, zero-padded, and those of joined taps.
inline void copy_narrow(const Step& step, const int64_t* offsets, char* copy) {
  const __mmask64 bytes = bytes_below(step.bytes);
  for (int row = 0; row < kGroupPixels; ++row, copy += kRowBytes) {
    const char* const pixel = step.data + offsets[row];
    if (step.is_apart) {
      copy_apart(step, pixel, copy);
    } else {
      _mm512_store_si512(copy, _mm512_maskz_loadu_epi8(bytes, pixel));
    }
  }
}

// Copies one part of a group's pixels to a slot, for all steps from `step` that are copied together. There are as many
// parts as such steps. A function of its own, because it is long and called from every kind of pass.
template <int kTogether>
__attribute__((noinline)) void copy_rows(Ring& ring, char* slot, const PixelGroup& group, const Step& step,
                                         int part) {
  constexpr int kRows = kGroupPixels / kTogether;
  ring.find_offsets(group, step.stride);
  if (step.bytes < kRowBytes || step.is_apart) return copy_narrow(step, ring.offsets, slot);
  copy_lines<kRows, kTogether>(step.data, ring.offsets + part * kRows, slot + part * kRows * kTogether * kRowBytes);
}

}  // namespace
}  // namespace sparsesr
