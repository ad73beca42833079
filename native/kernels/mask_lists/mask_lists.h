// Lists of the pixels of a mask: active, inactive, and border (inactive, next to an active one, diagonally too).
#pragma once

#include <cstdint>

#include "core/pixel_bits.h"

namespace sparsesr {

// Numbers of pixels in lists, all rows before each row counted.
struct MaskListsArgs {
  InputPixelBits active;
  int64_t width;
  const int64_t* active_before;
  int32_t* active_pixels;
  int32_t* inactive_pixels;
};
// Lists the pixels of rows [begin, end), and writes nothing beyond them.
using MaskListsKernel = void(const MaskListsArgs& args, int64_t begin, int64_t end);

struct MaskBordersArgs {
  InputPixelBits active;
  InputPixelBits border;
  int64_t width;
  int64_t height;
  const int64_t* active_before;
  const int64_t* border_before;
  int32_t* border_pixels;
  uint16_t* neighbours;  // of each active pixel: bits of the active ones in its 3x3 neighbourhood, row by row
};
using MaskBordersKernel = void(const MaskBordersArgs& args, int64_t begin, int64_t end);

// A word of a row, and the words of its pixels' left and right neighbours. Null rows are empty.
struct NearWords {
  uint64_t left, own, right;
};
static inline NearWords near_words(const uint64_t* row, int64_t word, int64_t row_words) {
  if (row == nullptr) return {};
  const uint64_t before = word > 0 ? row[word - 1] >> (kWordPixels - 1) : 0;
  const uint64_t after = word + 1 < row_words ? row[word + 1] << (kWordPixels - 1) : 0;
  return {row[word] << 1 | before, row[word], row[word] >> 1 | after};
}

// Row `row` of `height`; null outside.
static inline const uint64_t* row_or_null(const InputPixelBits& bits, int64_t row, int64_t height) {
  return row < 0 || row >= height ? nullptr : row_of(bits, row);
}

// Bits of a word that lie within a row.
static inline uint64_t bits_within(int64_t width, int64_t word) {
  const int64_t rest = width - word * kWordPixels;
  return rest >= kWordPixels ? ~uint64_t{0} : (uint64_t{1} << rest) - 1;
}

}  // namespace sparsesr
