// Contiguous tiles and their sizes.
#pragma once

#include <cstdint>

#include "kernels/tiles.h"

namespace sparsesr {
namespace {

constexpr int64_t kTileRowBytes = 64;
constexpr int64_t kTileBytes = 16 * kTileRowBytes;
constexpr int64_t kTileFloats = kTileBytes / 4;
constexpr int64_t kTileValues = kTileBytes / 2;  // in bf16

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <int kTile>
__attribute__((always_inline)) inline void load_packed(const void* from) {
  load_tile<kTile>(from, kTileRowBytes);
}

template <int kTile>
__attribute__((always_inline)) inline void store_packed(float* to) {
  store_tile<kTile>(to, kTileRowBytes);
}

}  // namespace
}  // namespace sparsesr
