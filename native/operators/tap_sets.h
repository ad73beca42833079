// Sets of the taps of 3x3 neighbourhoods that lie on active pixels, and lists of pixels sorted by them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sparsesr {

constexpr unsigned kNeighbours = 9;

// Bits, row by row, of the set flags around `centre`; rows are `columns` flags long.
inline uint16_t neighbours_of(const uint8_t* centre, int64_t columns) {
  unsigned bits = 0;
  for (int dy = -1; dy <= 1; ++dy) {
    const uint8_t* const row = centre + dy * columns;
    bits |= (row[-1] | row[0] << 1u | row[1] << 2u) << (3 * (dy + 1));
  }
  return static_cast<uint16_t>(bits);
}

// Pixels and the taps that each needs (ConvArgs::taps).
struct PixelsByTaps {
  std::vector<int32_t> pixels;
  std::vector<uint16_t> taps;
};

// The pixels sorted by tap set, so that those computed together need the same taps; equal sets keep their order.
PixelsByTaps sorted_by_taps(std::span<const int32_t> pixels, std::span<const uint16_t> taps);

}  // namespace sparsesr
