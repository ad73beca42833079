// One configuration of the tiles of AMX for all kernels: eight of 16 rows of 64 bytes. Local to each file that includes
// this.
#pragma once

#include <immintrin.h>

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
  _tile_loadconfig(&configuration);
}

void release_tiles() { _tile_release(); }

}  // namespace
}  // namespace sparsesr
