// AMX tiles, in one configuration for all kernels: eight tiles of 16 rows of 64 bytes. Local to each file that includes
// this. Inline assembly, because the compiler's intrinsics do not declare that they read memory.
#pragma once

#include <cstdint>

namespace sparsesr {
namespace {

struct alignas(64) TileConfiguration {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

void configure_tiles() {
  TileConfiguration configuration;
  for (int tile = 0; tile < 8; ++tile) {
    configuration.row_bytes[tile] = 64;
    configuration.rows[tile] = 16;
  }
  __asm__ volatile("ldtilecfg %0" ::"m"(configuration));
}

void release_tiles() { __asm__ volatile("tilerelease"); }

// Loads row r from rows + r * stride bytes.
template <int kTile>
__attribute__((always_inline)) inline void load_tile(const void* rows, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(rows), "r"(stride), "i"(kTile) : "memory");
}

template <int kTile>
__attribute__((always_inline)) inline void store_tile(void* rows, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(rows), "r"(stride), "i"(kTile) : "memory");
}

template <int kTile>
__attribute__((always_inline)) inline void clear_tile() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

// Adds bf16 tile products to fp32 sums.
template <int kSums, int kLeft, int kRight>
__attribute__((always_inline)) inline void multiply_bf16_tiles() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kLeft), "i"(kRight));
}

// Adds products of unsigned and signed bytes to sums of 32 bits.
template <int kSums, int kLeft, int kRight>
__attribute__((always_inline)) inline void multiply_int8_tiles() {
  __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kLeft), "i"(kRight));
}

}  // namespace
}  // namespace sparsesr
