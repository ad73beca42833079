// Pixels that active ones reach: those within some distance of one, diagonally too.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "operators/pixel_mask.h"

namespace sparsesr {

// A mask, grown by `reach` pixels to all sides. Its row r depends on rows r - reach to r + reach of the mask.
class ReachedPixels {
 public:
  ReachedPixels(const PixelMask& mask, int64_t reach);

  // Sets in `out`, a row of bits, the reached pixels of a row.
  void find(int64_t row, uint64_t* out) const;
  int64_t row_words() const { return mask_.bits().row_words; }
  // True if the mask has all rows that decide about a row.
  bool knows(int64_t row) const { return std::min(row + reach_ + 1, mask_.height()) <= mask_.rows(); }
  // The reached pixels of rows [r0, r1), numbered and ordered as in PixelMask.
  std::vector<int32_t> in_rows(int64_t r0, int64_t r1) const;
  // Those of some pixels, which are in raster order, that are reached.
  std::vector<int32_t> among(std::span<const int32_t> pixels) const;
  int64_t count() const;

 private:
  const PixelMask& mask_;
  int64_t reach_;
};

}  // namespace sparsesr
