// A spatial mask as pixel lists that grow row by row.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/instruction_set.h"
#include "core/pixel_bits.h"
#include "core/window.h"

namespace sparsesr {

class UpsampledMaskWeights;

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
  int64_t n_active() const { return active_before_[static_cast<size_t>(rows_)]; }

  void clear() { rows_ = border_rows_ = 0; }

  // Adds rows up to `r1`. A pixel is active if logits[1] + bias > logits[0].
  void grow(const InputWindow& logits, int64_t r1, float bias, int threads, Isa isa);
  // The same for logits that are a transposed convolution of `x`, a map of `x_height` rows with half the size.
  void grow(const UpsampledMaskWeights& weights, const AnyWindow& x, int64_t x_height, int64_t r1, float bias,
            int threads);

  // Replaces all rows by given ones.
  void fill(InputPixelBits active, int threads, Isa isa);

  // Pixels of rows [r0, r1), which must have been added.
  Pixels active(int64_t r0, int64_t r1) const { return {active_.get() + before(r0), count(before(r0), before(r1))}; }
  Pixels inactive(int64_t r0, int64_t r1) const {
    return {inactive_.get() + inactive_before(r0), count(inactive_before(r0), inactive_before(r1))};
  }
  // For each of active(r0, r1), a bit mask, row by row, of the active pixels in its 3x3 neighbourhood; all bits are set
  // while the border of its row is unknown.
  std::span<const uint16_t> neighbours(int64_t r0, int64_t r1) const {
    return {neighbours_.get() + before(r0), count(before(r0), before(r1))};
  }
  // Inactive pixels of rows [r0, r1) that touch an active one, diagonally too. They are known for rows below
  // border_rows() only, and empty for others: the border of the last row depends on the next one.
  Pixels border(int64_t r0, int64_t r1) const;
  int64_t border_rows() const { return border_rows_; }

  // Active pixels of the rows added so far.
  InputPixelBits bits() const { return {bits_.get(), row_words_}; }

 private:
  static size_t count(int64_t first, int64_t end) { return static_cast<size_t>(end - first); }
  int64_t before(int64_t row) const { return active_before_[static_cast<size_t>(row)]; }
  int64_t inactive_before(int64_t row) const { return row * width_ - before(row); }
  void add_rows(int64_t r1, int threads, Isa isa, const std::function<void(int64_t begin, int64_t end)>& fill_bits);
  void count_rows(int64_t r1, int64_t border_end);
  int64_t find_border(int64_t row);

  int64_t height_;
  int64_t width_;
  int64_t row_words_;
  std::unique_ptr<uint64_t[]> bits_;         // of active pixels
  std::unique_ptr<uint64_t[]> border_bits_;  // of border pixels
  std::unique_ptr<int32_t[]> active_;
  std::unique_ptr<int32_t[]> inactive_;
  std::unique_ptr<int32_t[]> border_;
  std::unique_ptr<uint16_t[]> neighbours_;  // parallel to active_
  std::vector<int64_t> active_before_;      // pixels in all rows before each row
  std::vector<int64_t> border_before_;
  int64_t rows_ = 0;
  int64_t border_rows_ = 0;
};

}  // namespace sparsesr
