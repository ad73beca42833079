// A spatial mask as pixel lists that grow row by row.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/instruction_set.h"
#include "core/window.h"

namespace sparsesr {

// Pixels are numbered r * (width + 2) + x + 1 and listed in raster order. Every listed pixel lies inside the image, so
// kernels need not check.
class PixelMask {
 public:
  using Pixels = std::span<const int32_t>;

  // Reserves memory for every pixel of height x width; pages are touched only as rows are added.
  PixelMask(int64_t height, int64_t width);

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t rows() const { return rows_; }
  int64_t n_active() const { return n_active_; }

  void clear();

  // Adds rows up to `r1`. A pixel is active if logits[1] + bias > logits[0].
  void grow(const InputWindow& logits, int64_t r1, float bias, Isa isa);

  // Pixels of rows [r0, r1), which must have been added.
  Pixels active(int64_t r0, int64_t r1) const { return cut(active_.get(), n_active_, r0, r1); }
  Pixels inactive(int64_t r0, int64_t r1) const { return cut(inactive_.get(), n_inactive_, r0, r1); }
  // For each of active(r0, r1), a bit mask, row by row, of the active pixels in its 3x3 neighbourhood; all bits are set
  // while the border of its row is unknown.
  std::span<const uint16_t> neighbours(int64_t r0, int64_t r1) const;
  // Inactive pixels of rows [r0, r1) that touch an active one, diagonally too. They are known for rows below
  // border_rows() only: the border of the last row depends on the next one.
  Pixels border(int64_t r0, int64_t r1) const { return cut(border_.get(), n_border_, r0, r1); }
  int64_t border_rows() const { return border_rows_; }

 private:
  Pixels cut(const int32_t* list, int64_t count, int64_t r0, int64_t r1) const;
  void grow_border(int64_t end);
  void find_neighbours(int64_t r0, int64_t end, const uint8_t* flags);

  int64_t height_;
  int64_t width_;
  std::unique_ptr<int32_t[]> active_;
  std::unique_ptr<int32_t[]> inactive_;
  std::unique_ptr<int32_t[]> border_;
  std::unique_ptr<uint16_t[]> neighbours_;  // parallel to active_
  int64_t n_active_ = 0;
  int64_t n_inactive_ = 0;
  int64_t n_border_ = 0;
  int64_t rows_ = 0;
  int64_t border_rows_ = 0;
};

}  // namespace sparsesr
