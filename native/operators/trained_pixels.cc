#include "operators/trained_pixels.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace sparsesr {
namespace {

constexpr int64_t kChunkRows = 2;

// Sets of bits, row by row, of the set flags in the 3x3 neighbourhood.
uint16_t taps_of(const uint8_t* flag, int64_t columns) {
  unsigned bits = 0;
  for (int dy = -1; dy <= 1; ++dy) {
    const uint8_t* const row = flag + dy * columns;
    bits |= (row[-1] | row[0] << 1u | row[1] << 2u) << (3 * (dy + 1));
  }
  return static_cast<uint16_t>(bits);
}

PixelsByTaps sorted(const std::vector<int32_t>& pixels, const std::vector<uint16_t>& taps) {
  std::array<uint32_t, (1u << TrainedPixels::kTaps) + 1> places{};  // position of the first pixel of each set
  for (const uint16_t set : taps) ++places[set + 1u];
  std::partial_sum(places.begin(), places.end(), places.begin());
  PixelsByTaps result{std::vector<int32_t>(pixels.size()), std::vector<uint16_t>(pixels.size())};
  for (size_t i = 0; i < pixels.size(); ++i) {
    const uint32_t place = places[taps[i]]++;
    result.pixels[place] = pixels[i];
    result.taps[place] = taps[i];
  }
  return result;
}

}  // namespace

TrainedPixels::TrainedPixels(const uint8_t* mask, int64_t height, int64_t width) {
  const int64_t columns = width + 2;
  std::vector<uint8_t> flags(static_cast<size_t>((height + 2) * columns));  // from row -1
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* const row = flags.data() + (y + 1) * columns + 1;
    for (int64_t x = 0; x < width; ++x) row[x] = mask == nullptr || mask[y * width + x] != 0;
  }
  list_pixels(flags, height, width);
}

void TrainedPixels::list_pixels(const std::vector<uint8_t>& flags, int64_t height, int64_t width) {
  const int64_t columns = width + 2;
  std::vector<uint16_t> active_taps;
  std::vector<int32_t> reached;
  std::vector<uint16_t> reached_taps;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const auto pixel = static_cast<int32_t>(y * columns + x + 1);
      const uint8_t* const flag = flags.data() + pixel + columns;
      const uint16_t taps = taps_of(flag, columns);
      if (taps == 0) continue;
      reached.push_back(pixel);
      reached_taps.push_back(taps);
      if (*flag == 0) continue;
      active_.push_back(pixel);
      active_taps.push_back(taps);
    }
  }
  are_all_active_ = static_cast<int64_t>(active_.size()) == height * width;
  active_by_taps_ = sorted(active_, active_taps);
  reached_by_taps_ = sorted(reached, reached_taps);
  cut_chunks(height, width, active_taps);
}

void TrainedPixels::cut_chunks(int64_t height, int64_t width, const std::vector<uint16_t>& taps) {
  size_t begin = 0;
  for (int64_t y = 0; y < height; y += kChunkRows) {
    const auto next = static_cast<int32_t>((y + kChunkRows) * (width + 2));
    const auto end = static_cast<size_t>(std::lower_bound(active_.begin(), active_.end(), next) - active_.begin());
    Chunk chunk{Pixels(active_).subspan(begin, end - begin), {}};
    for (size_t i = begin; i < end; ++i) {
      for (unsigned tap = 0; tap < kTaps; ++tap) {
        if ((taps[i] >> tap & 1u) != 0) chunk.by_tap[tap].push_back(active_[i]);
      }
    }
    chunks_.push_back(std::move(chunk));
    begin = end;
  }
}

}  // namespace sparsesr
