// Maps for Winograd's convolutions, and the tiles at which chains of masked convolutions are computed.
#pragma once

#include <cstdint>
#include <vector>

#include "core/page_pool.h"
#include "kernels/winograd/winograd.h"
#include "operators/batch_shape.h"

namespace sparsesr {

// Tiles and the pixels that count in each, as the kernels read them.
struct Tiles {
  std::vector<int32_t> places;
  std::vector<uint16_t> active;

  int64_t count() const { return static_cast<int64_t>(places.size()); }
};

// Geometry of a map whose image is extended to whole tiles. Sizes are in values.
struct TiledShape {
  int64_t height;
  int64_t width;
  int64_t channels;

  int64_t tile_rows() const { return (height + kTileSide - 1) / kTileSide; }
  int64_t tile_columns() const { return (width + kTileSide - 1) / kTileSide; }
  WinogradMap map() const { return {kTileSide * tile_columns() + 2, channels}; }
  int64_t size() const { return (kTileSide * tile_rows() + 2) * map().row(); }
  int64_t plain_size() const { return height * width * channels; }

  // Value of pixel (y, 0).
  int64_t row(int64_t y) const { return (y + 1) * map().row() + channels; }

  void clear(float* map) const;
  void clear(float* map, const std::vector<int32_t>& places) const;
  // All that lies outside the image.
  void clear_border(float* map) const;
  // From and to maps of the image alone, whose pixels are `pixel` values apart. Taking clears all outside the image.
  void take(const float* plain, float* map) const { take(plain, channels, map); }
  void take(const float* plain, int64_t pixel, float* map) const;
  void give(const float* map, float* plain) const { give(map, plain, channels); }
  void give(const float* map, float* plain, int64_t pixel) const;
  // Whole tiles.
  void copy(const float* from, const std::vector<int32_t>& places, float* to) const;
  // Gradient of ReLU: none where its result is zero.
  void clear_where_zero(const float* result, float* gradient) const;
  // Active pixels of tiles.
  void copy(const float* from, const Tiles& tiles, float* to) const;

 private:
  // Calls `use` with the first value and the number of values of each row of a tile.
  template <typename Use>
  void for_tile_rows(const std::vector<int32_t>& places, const Use& use) const;
};

// What is computed of an image.
class TrainedTiles {
 public:
  // `mask`: height x width bytes, 0 if inactive; null: all pixels are active.
  TrainedTiles(const uint8_t* mask, const TiledShape& shape);

  // Those with an active pixel, and their active pixels.
  const Tiles& active() const { return active_; }
  // Those within one pixel of an active one: where a 3x3 convolution at the active pixels reads. All pixels inside the
  // image count.
  const Tiles& reached() const { return reached_; }
  // Places of the tiles without an active pixel.
  const std::vector<int32_t>& inactive() const { return inactive_; }
  bool are_all_pixels_active() const { return are_all_pixels_active_; }

 private:
  Tiles active_;
  Tiles reached_;
  std::vector<int32_t> inactive_;
  bool are_all_pixels_active_;
};

// Maps of a batch, kept from the forward to the backward pass, and the tiles of each image.
class WinogradMaps {
 public:
  // `count`: maps per image. `mask`: one byte per pixel of all images, 0 if inactive; null without a mask.
  WinogradMaps(const BatchShape& shape, int64_t channels, int64_t count, const uint8_t* mask);

  const BatchShape& shape() const { return shape_; }
  int64_t channels() const { return channels_; }
  int64_t count() const { return count_; }
  TiledShape map_shape() const { return {shape_.height, shape_.width, channels_}; }
  const TrainedTiles& tiles(int64_t image) const { return tiles_[static_cast<size_t>(image)]; }
  float* map(int64_t image, int64_t number) const;

 private:
  BatchShape shape_;
  int64_t channels_;
  int64_t count_;
  PooledBytes bytes_;
  std::vector<TrainedTiles> tiles_;
};

}  // namespace sparsesr
