#include "operators/pixel_list.h"

#include <bit>

#include "kernels/mask_lists/mask_lists.h"

namespace sparsesr {

PixelList::PixelList(InputPixelBits bits, int64_t height, int64_t width)
    : width_(width), before_(static_cast<size_t>(height) + 1) {
  for (int64_t r = 0; r < height; ++r) {
    const uint64_t* const row = row_of(bits, r);
    const int64_t first = r * (width + 2) + 1;
    for (int64_t w = 0; w < bits.row_words; ++w) {
      for (uint64_t rest = row[w]; rest != 0; rest &= rest - 1) {
        pixels_.push_back(static_cast<int32_t>(first + w * kWordPixels + std::countr_zero(rest)));
      }
    }
    before_[static_cast<size_t>(r) + 1] = static_cast<int64_t>(pixels_.size());
  }
}

void spread_by_one(InputPixelBits bits, int64_t height, int64_t width, uint64_t* out) {
  std::vector<uint64_t> column(static_cast<size_t>(bits.row_words));  // of three rows, all pixels above each other
  for (int64_t r = 0; r < height; ++r) {
    const uint64_t* const own = row_of(bits, r);
    const uint64_t* const above = r > 0 ? row_of(bits, r - 1) : own;
    const uint64_t* const below = r + 1 < height ? row_of(bits, r + 1) : own;
    for (size_t w = 0; w < column.size(); ++w) column[w] = above[w] | own[w] | below[w];
    for (int64_t w = 0; w < bits.row_words; ++w) {
      const NearWords words = near_words(column.data(), w, bits.row_words);
      out[r * bits.row_words + w] = (words.left | words.own | words.right) & bits_within(width, w);
    }
  }
}

}  // namespace sparsesr
