#include "operators/winograd_maps.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace sparsesr {
namespace {

void clear_values(float* from, int64_t count) { std::memset(from, 0, static_cast<size_t>(count) * sizeof(float)); }

void copy_values(const float* from, float* to, int64_t count) {
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}

// Finds the flagged pixels of tiles.
class TileFlags {
 public:
  TileFlags(const uint8_t* mask, const TiledShape& shape) : mask_(mask), shape_(shape) {}

  // Bits of the active pixels of a tile.
  uint16_t active(int64_t tile_row, int64_t tile_column) const {
    unsigned bits = 0;
    visit(tile_row, tile_column, 0, [&](int64_t y, int64_t x, bool is_active) {
      bits |= static_cast<unsigned>(is_active) << (kTileSide * y + x);
    });
    return static_cast<uint16_t>(bits);
  }

  // Bits of its pixels inside the image.
  uint16_t inside(int64_t tile_row, int64_t tile_column) const {
    unsigned bits = 0;
    visit(tile_row, tile_column, 0,
          [&](int64_t y, int64_t x, bool) { bits |= 1u << (kTileSide * y + x); });
    return static_cast<uint16_t>(bits);
  }

  bool is_reached(int64_t tile_row, int64_t tile_column) const {
    bool found = false;
    visit(tile_row, tile_column, 1, [&](int64_t, int64_t, bool is_active) { found = found || is_active; });
    return found;
  }

 private:
  // Calls `use` with (y, x) in the tile and whether it is active, for each pixel of the image in the tile, grown to all
  // sides.
  template <typename Use>
  void visit(int64_t tile_row, int64_t tile_column, int64_t grown, const Use& use) const {
    const int64_t y0 = kTileSide * tile_row;
    const int64_t x0 = kTileSide * tile_column;
    for (int64_t y = std::max<int64_t>(y0 - grown, 0); y < std::min(y0 + kTileSide + grown, shape_.height); ++y) {
      for (int64_t x = std::max<int64_t>(x0 - grown, 0); x < std::min(x0 + kTileSide + grown, shape_.width); ++x) {
        use(y - y0, x - x0, mask_ == nullptr || mask_[y * shape_.width + x] != 0);
      }
    }
  }

  const uint8_t* const mask_;
  const TiledShape& shape_;
};

}  // namespace

void TiledShape::clear(float* map) const { clear_values(map, size()); }

void TiledShape::clear_border(float* map) const {
  clear_values(map, row(0));
  const int64_t inside = width * channels;
  const int64_t outside = this->map().row() - inside;
  for (int64_t y = 0; y + 1 < height; ++y) clear_values(map + row(y) + inside, outside);
  const int64_t end = row(height - 1) + inside;
  clear_values(map + end, size() - end);
}

void TiledShape::take(const float* plain, int64_t pixel, float* map) const {
  clear_border(map);
  for (int64_t y = 0; y < height; ++y) {
    float* const to = map + row(y);
    for (int64_t x = 0; x < width; ++x) copy_values(plain + (y * width + x) * pixel, to + x * channels, channels);
  }
}

void TiledShape::give(const float* map, float* plain, int64_t pixel) const {
  for (int64_t y = 0; y < height; ++y) {
    const float* const from = map + row(y);
    for (int64_t x = 0; x < width; ++x) copy_values(from + x * channels, plain + (y * width + x) * pixel, channels);
  }
}

template <typename Use>
void TiledShape::for_tile_rows(const std::vector<int32_t>& places, const Use& use) const {
  for (const int32_t place : places) {
    const int64_t first = place * channels + row(0);
    for (int64_t y = 0; y < kTileSide; ++y) use(first + y * map().row(), kTileSide * channels);
  }
}

void TiledShape::clear(float* map, const std::vector<int32_t>& places) const {
  for_tile_rows(places, [&](int64_t first, int64_t count) { clear_values(map + first, count); });
}

void TiledShape::copy(const float* from, const std::vector<int32_t>& places, float* to) const {
  for_tile_rows(places, [&](int64_t first, int64_t count) { copy_values(from + first, to + first, count); });
}

void TiledShape::copy(const float* from, const Tiles& tiles, float* to) const {
  for (int64_t t = 0; t < tiles.count(); ++t) {
    const auto i = static_cast<size_t>(t);
    const int64_t first = tiles.places[i] * channels + row(0);
    for (unsigned rest = tiles.active[i]; rest != 0; rest &= rest - 1) {
      const int pixel = std::countr_zero(rest);
      const int64_t place = first + pixel / kTileSide * map().row() + pixel % kTileSide * channels;
      copy_values(from + place, to + place, channels);
    }
  }
}

void TiledShape::clear_where_zero(const float* result, float* gradient) const {
  for (int64_t n = 0; n < size(); ++n) gradient[n] = result[n] > 0.0f ? gradient[n] : 0.0f;
}

TrainedTiles::TrainedTiles(const uint8_t* mask, const TiledShape& shape) {
  const TileFlags flags(mask, shape);
  int64_t pixels = 0;
  for (int64_t y = 0; y < shape.tile_rows(); ++y) {
    for (int64_t x = 0; x < shape.tile_columns(); ++x) {
      const auto place = static_cast<int32_t>(kTileSide * (y * shape.map().columns + x));
      if (const uint16_t active = flags.active(y, x); active != 0) {
        active_.places.push_back(place);
        active_.active.push_back(active);
        pixels += std::popcount(active);
      } else {
        inactive_.push_back(place);
      }
      if (flags.is_reached(y, x)) {
        reached_.places.push_back(place);
        reached_.active.push_back(flags.inside(y, x));
      }
    }
  }
  are_all_pixels_active_ = pixels == shape.height * shape.width;
}

WinogradMaps::WinogradMaps(const BatchShape& shape, int64_t channels, int64_t count, const uint8_t* mask)
    : shape_(shape), channels_(channels), count_(count),
      bytes_(pooled_bytes(static_cast<size_t>(shape.images * count * map_shape().size()) * sizeof(float))) {
  const int64_t size = shape.height * shape.width;
  for (int64_t image = 0; image < shape.images; ++image) {
    tiles_.emplace_back(mask == nullptr ? nullptr : mask + image * size, map_shape());
  }
}

float* WinogradMaps::map(int64_t image, int64_t number) const {
  return reinterpret_cast<float*>(bytes_.get()) + (image * count_ + number) * map_shape().size();
}

}  // namespace sparsesr
