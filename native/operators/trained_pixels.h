// Lists of the pixels at which a chain of masked convolutions, and its gradients, are computed.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "operators/tap_sets.h"

namespace sparsesr {

// Numbers are those of core/pixel_numbers.h.
class TrainedPixels {
 public:
  using Pixels = std::span<const int32_t>;
  static constexpr unsigned kTaps = kNeighbours;

  // `mask`: height x width bytes, 0 if inactive; null: all pixels are active.
  TrainedPixels(const uint8_t* mask, int64_t height, int64_t width);
  TrainedPixels(TrainedPixels&&) = default;  // copies would share the lists of the original

  Pixels active() const { return active_; }  // in raster order
  bool are_all_active() const { return are_all_active_; }
  const PixelsByTaps& active_by_taps() const { return active_by_taps_; }
  // Active pixels and their neighbours: the inputs of a 3x3 convolution at the active ones.
  const PixelsByTaps& reached_by_taps() const { return reached_by_taps_; }

  // Active pixels in chunks of a few rows, which fit in the nearest cache.
  int64_t chunks() const { return static_cast<int64_t>(chunks_.size()); }
  Pixels chunk(int64_t number) const { return chunks_[static_cast<size_t>(number)].all; }
  // Those of a chunk whose neighbour at a tap is active.
  Pixels chunk(int64_t number, unsigned tap) const {
    return chunks_[static_cast<size_t>(number)].by_tap[tap];
  }

 private:
  struct Chunk {
    Pixels all;
    std::array<std::vector<int32_t>, kTaps> by_tap;
  };

  void list_pixels(const std::vector<uint8_t>& flags, int64_t height, int64_t width);
  void cut_chunks(int64_t height, int64_t width, const std::vector<uint16_t>& taps);

  std::vector<int32_t> active_;
  PixelsByTaps active_by_taps_;
  PixelsByTaps reached_by_taps_;
  std::vector<Chunk> chunks_;
  bool are_all_active_ = false;
};

}  // namespace sparsesr
