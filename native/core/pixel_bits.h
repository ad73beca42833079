// One bit per pixel, in rows of whole 64-bit words, the first pixel in the lowest bit.
#pragma once

#include <cstdint>

namespace sparsesr {

constexpr int64_t kWordPixels = 64;

// Internal linkage, like all code that kernels share.
static inline int64_t words_of(int64_t width) { return (width + kWordPixels - 1) / kWordPixels; }

template <typename Word>
struct PixelBitsOf {
  Word* words;  // row r at words + r * row_words; unused bits at the end of a row are zero
  int64_t row_words;
};
using PixelBits = PixelBitsOf<uint64_t>;
using InputPixelBits = PixelBitsOf<const uint64_t>;

template <typename Word>
static inline Word* row_of(const PixelBitsOf<Word>& bits, int64_t row) {
  return bits.words + row * bits.row_words;
}

static inline bool is_set(const uint64_t* row, int64_t x) {
  return (row[x / kWordPixels] >> (x % kWordPixels) & 1u) != 0;
}

}  // namespace sparsesr
