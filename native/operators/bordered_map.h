// Geometry of the maps that the training convolutions read; see kernels/train_conv/train_conv.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/train_conv/train_conv.h"

namespace sparsesr {

// Calls `visit(y, x)` for each inactive pixel (zero) of an image's mask.
template <typename Visit>
void for_each_inactive(const uint8_t* mask, int64_t height, int64_t width, const Visit& visit) {
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      if (mask[y * width + x] == 0) visit(y, x);
    }
  }
}

// All sizes and distances are in values.
struct BorderedShape {
  int64_t height;
  int64_t width;
  int64_t channels;

  int64_t row() const { return (width + 1) * channels; }
  int64_t first() const { return row() + channels; }  // offset of pixel (0, 0)
  int64_t size() const { return (height + 2) * row() + channels; }
  int64_t slack() const { return kTrainSlackRows * row() + kTrainSlackPixels * channels; }
  int64_t plain_row() const { return width * channels; }
  int64_t plain_size() const { return height * plain_row(); }

  template <typename T>
  TrainMap<T> pixels(T* map) const {
    return {map + first(), row(), channels};
  }

  // A map without borders.
  template <typename T>
  TrainMap<T> plain(T* map) const {
    return {map, plain_row(), channels};
  }

  void clear_border(Bf16* map) const {
    const auto clear = [](Bf16* from, int64_t count) { std::memset(from, 0, count * sizeof(Bf16)); };
    clear(map, first());
    for (int64_t y = 1; y < height; ++y) clear(map + (y + 1) * row(), channels);
    clear(map + (height + 1) * row(), row() + channels);
  }

  void clear_inactive(const TrainMap<Bf16>& map, const uint8_t* mask) const {
    for_each_inactive(mask, height, width, [&](int64_t y, int64_t x) {
      std::memset(map.first + y * map.row + x * map.pixel, 0, channels * sizeof(Bf16));
    });
  }

  void copy_inactive(const TrainMap<const Bf16>& from, const TrainMap<Bf16>& to, const uint8_t* mask) const {
    for_each_inactive(mask, height, width, [&](int64_t y, int64_t x) {
      std::memcpy(to.first + y * to.row + x * to.pixel, from.first + y * from.row + x * from.pixel,
                  channels * sizeof(Bf16));
    });
  }

  // Copies pixels, wherever they are, into or out of a map.
  void copy(const TrainMap<const Bf16>& from, const TrainMap<Bf16>& to) const {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        std::memcpy(to.first + y * to.row + x * to.pixel, from.first + y * from.row + x * from.pixel,
                    channels * sizeof(Bf16));
      }
    }
  }

  // Clears values where those of a map with the same borders are zero.
  void clear_where_zero(const Bf16* other, Bf16* map) const {
    for (int64_t i = first(); i < size(); ++i) map[i].bits = other[i].bits != 0 ? map[i].bits : 0;
  }

  void take(const Bf16* plain_map, Bf16* map) const {
    for (int64_t y = 0; y < height; ++y) {
      std::memcpy(map + first() + y * row(), plain_map + y * plain_row(), plain_row() * sizeof(Bf16));
    }
  }

  void give(const Bf16* map, Bf16* plain_map) const {
    for (int64_t y = 0; y < height; ++y) {
      std::memcpy(plain_map + y * plain_row(), map + first() + y * row(), plain_row() * sizeof(Bf16));
    }
  }
};

}  // namespace sparsesr
