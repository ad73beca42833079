// Instructions on tiles with the number of the tile as a template argument. The intrinsics of GCC 12 do not tell the
// compiler that they touch memory.
#pragma once

#include <cstdint>

namespace sparsesr {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kTileFloats = 256;
constexpr int64_t kTilePairs = 512;  // values of bf16

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <int kTile>
__attribute__((always_inline)) inline void load_tile(const void* from, int64_t stride_bytes = 64) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride_bytes), "i"(kTile) : "memory");
}

template <int kTile>
__attribute__((always_inline)) inline void store_tile(float* to) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(int64_t{64}), "i"(kTile) : "memory");
}

template <int kTile>
__attribute__((always_inline)) inline void clear_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

// sum += a * b; a: 16 rows of 32 values, b: 16 rows of 16 pairs
template <int kSum, int kA, int kB>
__attribute__((always_inline)) inline void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
}

}  // namespace
}  // namespace sparsesr
