// A set of pixels as a list, for operations that run at chosen pixels only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/pixel_bits.h"

namespace sparsesr {

// Pixels are numbered and ordered as in PixelMask.
class PixelList {
 public:
  PixelList(InputPixelBits bits, int64_t height, int64_t width);

  int64_t height() const { return static_cast<int64_t>(before_.size()) - 1; }
  int64_t width() const { return width_; }

  std::span<const int32_t> in_rows(int64_t r0, int64_t r1) const {
    const int64_t first = before_[static_cast<size_t>(r0)];
    return {pixels_.data() + first, static_cast<size_t>(before_[static_cast<size_t>(r1)] - first)};
  }

 private:
  int64_t width_;
  std::vector<int64_t> before_;  // pixels in all rows before each row
  std::vector<int32_t> pixels_;
};

// Sets in `out`, of `height` rows, the pixels that are in `bits` or next to one of them, diagonally too.
void spread_by_one(InputPixelBits bits, int64_t height, int64_t width, uint64_t* out);

}  // namespace sparsesr
