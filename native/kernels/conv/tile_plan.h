// Grouping of pixels into tiles. Internal linkage, because including files differ in their instruction sets.
#pragma once

#include "kernels/conv/tile_weights.h"
#include "kernels/conv/vectors_avx512.h"

namespace sparsesr {
namespace {

constexpr int kGroupTiles = 2;
constexpr int kGroupPixels = kGroupTiles * kTilePixels;

// The rows of up to two tiles. A result that is not wanted has no output pixel.
struct PixelGroup {
  int32_t tiles;
  int32_t base[kGroupTiles];  // direct: the rows of a tile are pixels base, base + 1, ...
  int32_t in[kGroupPixels];   // gathered: the pixel of each row
  int32_t out[kGroupPixels];  // output pixel of each row
};

constexpr int32_t kNoPixel = -1;

// A window of 16 adjacent pixels is multiplied in place if at least this many of them are listed; other pixels are
// gathered.
constexpr int kWantedOfWindow = 12;

struct TilePlan {
  PixelGroup direct[kMaxChunkPixels / kWantedOfWindow / kGroupTiles + 1];
  PixelGroup gathered[kMaxChunkPixels / kGroupPixels + 1];
  int64_t direct_count;
  int64_t gathered_count;
};

// An ascending pixel list.
struct PixelList {
  const int32_t* in;
  const int32_t* out;
  int64_t count;
  int32_t slack;  // pixels that a tile reads beyond its own and their taps

  // Only pixels between the first and the last may be read, and their taps.
  int32_t last_in_window() const { return in[count - 1] - slack; }
};

inline void clear_rows(PixelGroup& group, int first, int end) {
  for (int row = first; row < end; ++row) group.out[row] = kNoPixel;
}

// Adds the listed pixels from index i that lie in the window starting at pixel i; returns the index of the next one.
inline int64_t add_window(const PixelList& list, int64_t i, TilePlan& plan) {
  PixelGroup* group = plan.direct + plan.direct_count - 1;
  if (plan.direct_count == 0 || group->tiles == kGroupTiles) {
    ++group;
    ++plan.direct_count;
    group->tiles = 0;
    clear_rows(*group, kTilePixels, kGroupPixels);
  }
  const int32_t last_base = list.last_in_window() - (kTilePixels - 1);
  const int32_t base = list.in[i] < last_base ? list.in[i] : last_base;
  const int first_row = group->tiles * kTilePixels;
  group->base[group->tiles++] = base;
  int32_t* const out = group->out + first_row;
  if (i + kTilePixels <= list.count && list.in[i + kTilePixels - 1] - base == kTilePixels - 1) {
    for (int row = 0; row < kTilePixels; ++row) out[row] = list.out[i + row];
    return i + kTilePixels;
  }
  clear_rows(*group, first_row, first_row + kTilePixels);
  for (; i < list.count && list.in[i] - base < kTilePixels; ++i) out[list.in[i] - base] = list.out[i];
  return i;
}

// Repeats the last pixel in unused rows.
inline void pad_gathered(PixelGroup& group, int count) {
  group.tiles = count > kTilePixels ? 2 : 1;
  for (int row = count; row < kGroupPixels; ++row) group.in[row] = group.in[count - 1];
  clear_rows(group, count, kGroupPixels);
}

// Finds windows, sixteen pixels at once.
struct WindowSearch {
  const PixelList& list;
  int64_t last_start;  // of a window, as an index of the list; -1: none
  int32_t last_pixel;  // that may be in a window

  WindowSearch(const PixelList& pixels, bool gathers_all) : list(pixels), last_pixel(pixels.last_in_window()) {
    const bool has_room = last_pixel - list.in[0] >= kTilePixels - 1;
    last_start = gathers_all || !has_room ? -1 : list.count - kWantedOfWindow;
  }

  // Pixels from index i on before the next window: 0 to 16, and at most those of the list.
  int pixels_before_window(int64_t i) const {
    const __mmask16 listed = lanes_below(list.count - i);
    const __mmask16 starts = lanes_below(last_start + 1 - i);
    const __m512i first = _mm512_maskz_loadu_epi32(starts, list.in + i);
    const __m512i wanted = _mm512_maskz_loadu_epi32(starts, list.in + i + kWantedOfWindow - 1);
    const __mmask16 near =
        _mm512_mask_cmplt_epi32_mask(starts, _mm512_sub_epi32(wanted, first), _mm512_set1_epi32(kTilePixels));
    const __mmask16 windows = _mm512_mask_cmple_epi32_mask(near, wanted, _mm512_set1_epi32(last_pixel));
    const uint32_t ends = windows | (static_cast<uint32_t>(~listed) & 0xffffu) | 0x10000u;
    return __builtin_ctz(ends);
  }
};

// Adds up to `wanted` pixels from index i to a group of `count`; returns how many had room.
inline int add_pixels(const PixelList& list, int64_t i, int wanted, PixelGroup& group, int count) {
  const int room = kGroupPixels - count;
  const int added = wanted < room ? wanted : room;
  const __mmask16 lanes = lanes_below(added);
  _mm512_mask_storeu_epi32(group.in + count, lanes, _mm512_maskz_loadu_epi32(lanes, list.in + i));
  _mm512_mask_storeu_epi32(group.out + count, lanes, _mm512_maskz_loadu_epi32(lanes, list.out + i));
  return added;
}

// Gathers every pixel if `gathers_all`.
inline void plan_tiles(const PixelList& list, bool gathers_all, TilePlan& plan) {
  plan.direct_count = 0;
  const WindowSearch search(list, gathers_all);
  PixelGroup* gathered = plan.gathered;
  int count = 0;
  for (int64_t i = 0; i < list.count;) {
    const int scattered = search.pixels_before_window(i);
    if (scattered == 0) {
      i = add_window(list, i, plan);
      continue;
    }
    if (count == kGroupPixels) {
      gathered++->tiles = kGroupTiles;
      count = 0;
    }
    const int added = add_pixels(list, i, scattered, *gathered, count);
    count += added;
    i += added;
  }
  if (count > 0) pad_gathered(*gathered++, count);
  plan.gathered_count = gathered - plan.gathered;
}

}  // namespace
}  // namespace sparsesr
