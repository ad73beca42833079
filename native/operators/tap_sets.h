// Sets of the taps of 3x3 neighbourhoods that lie on active pixels, and lists of pixels sorted by them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sparsesr {

constexpr unsigned kNeighbours = 9;

// Pixels and the taps that each needs (ConvArgs::taps).
struct PixelsByTaps {
  std::vector<int32_t> pixels;
  std::vector<uint16_t> taps;
};

// The pixels sorted by tap set, so that those computed together need the same taps; equal sets keep their order.
PixelsByTaps sorted_by_taps(std::span<const int32_t> pixels, std::span<const uint16_t> taps);

}  // namespace sparsesr
