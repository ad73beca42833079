#include "operators/trained_pixels.h"

#include <algorithm>

namespace sparsesr {
namespace {

constexpr int64_t kChunkRows = 2;

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
      const uint16_t taps = neighbours_of(flag, columns);
      if (taps == 0) continue;
      reached.push_back(pixel);
      reached_taps.push_back(taps);
      if (*flag == 0) continue;
      active_.push_back(pixel);
      active_taps.push_back(taps);
    }
  }
  are_all_active_ = static_cast<int64_t>(active_.size()) == height * width;
  active_by_taps_ = sorted_by_taps(active_, active_taps);
  reached_by_taps_ = sorted_by_taps(reached, reached_taps);
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
