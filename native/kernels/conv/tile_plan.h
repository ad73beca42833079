// Grouping of pixels into tiles. Internal linkage, because including files differ in their instruction sets.
#pragma once

#include "kernels/conv/tile_weights.h"

namespace sparsesr {
namespace {

constexpr int kGroupTiles = 2;
constexpr int kGroupPixels = kGroupTiles * kTilePixels;

// Rows of up to two tiles with `count` results; entries beyond `count` repeat the last one.
struct PixelGroup {
  int32_t tiles;
  int32_t count;
  int32_t base[kGroupTiles];  // direct: the rows of a tile are pixels base, base + 1, ...
  int32_t in[kGroupPixels];   // gathered: the pixel of each row
  int32_t out[kGroupPixels];  // output pixel of each result
  uint8_t row[kGroupPixels];  // tile row of each result
};

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

inline void add_result(PixelGroup& group, int row, int32_t out) {
  group.row[group.count] = static_cast<uint8_t>(row);
  group.out[group.count++] = out;
}

// Adds the listed pixels from index i that lie in the window starting at pixel i; returns the index of the next one.
inline int64_t add_window(const PixelList& list, int64_t i, TilePlan& plan) {
  PixelGroup* group = plan.direct + plan.direct_count - 1;
  if (plan.direct_count == 0 || group->tiles == kGroupTiles) {
    ++group;
    ++plan.direct_count;
    group->tiles = group->count = 0;
  }
  const int32_t last_base = list.last_in_window() - (kTilePixels - 1);
  const int32_t base = list.in[i] < last_base ? list.in[i] : last_base;
  const int first_row = group->tiles * kTilePixels;
  if (i + kTilePixels <= list.count && list.in[i + kTilePixels - 1] - base == kTilePixels - 1) {
    for (int row = 0; row < kTilePixels; ++row) {
      group->row[group->count + row] = static_cast<uint8_t>(first_row + row);
      group->out[group->count + row] = list.out[i + row];
    }
    group->count += kTilePixels;
    group->base[group->tiles++] = base;
    return i + kTilePixels;
  }
  for (; i < list.count && list.in[i] - base < kTilePixels; ++i) {
    add_result(*group, first_row + list.in[i] - base, list.out[i]);
  }
  group->base[group->tiles++] = base;
  return i;
}

inline void add_pixel(const PixelList& list, int64_t i, TilePlan& plan) {
  PixelGroup* group = plan.gathered + plan.gathered_count - 1;
  if (plan.gathered_count == 0 || group->count == kGroupPixels) {
    ++group;
    ++plan.gathered_count;
    group->count = 0;
  }
  group->in[group->count] = list.in[i];
  add_result(*group, group->count, list.out[i]);
}

// Repeats the last result in unused entries.
inline void pad_results(PixelGroup& group) {
  for (int i = group.count; i < kGroupPixels; ++i) {
    group.row[i] = group.row[group.count - 1];
    group.out[i] = group.out[group.count - 1];
  }
}

// Repeats the last pixel in unused rows.
inline void pad_gathered(PixelGroup& group) {
  group.tiles = group.count > kTilePixels ? 2 : 1;
  for (int row = group.count; row < kGroupPixels; ++row) group.in[row] = group.in[group.count - 1];
}

// Gathers every pixel if `gathers_all`.
inline void plan_tiles(const PixelList& list, bool gathers_all, TilePlan& plan) {
  plan.direct_count = plan.gathered_count = 0;
  const int32_t last = list.last_in_window();
  const bool has_room = last - list.in[0] >= kTilePixels - 1;
  const int64_t last_window = gathers_all || !has_room ? -1 : list.count - kWantedOfWindow;
  for (int64_t i = 0; i < list.count;) {
    const auto is_in_window = [&](int32_t pixel) { return pixel - list.in[i] < kTilePixels && pixel <= last; };
    if (i <= last_window && is_in_window(list.in[i + kWantedOfWindow - 1])) {
      i = add_window(list, i, plan);
    } else {
      add_pixel(list, i++, plan);
    }
  }
  for (int64_t g = 0; g < plan.direct_count; ++g) pad_results(plan.direct[g]);
  for (int64_t g = 0; g < plan.gathered_count; ++g) {
    pad_gathered(plan.gathered[g]);
    pad_results(plan.gathered[g]);
  }
}

}  // namespace
}  // namespace sparsesr
