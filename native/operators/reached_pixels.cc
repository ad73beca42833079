#include "operators/reached_pixels.h"

#include <algorithm>
#include <bit>

#include "kernels/mask_lists/mask_lists.h"

namespace sparsesr {
namespace {

void grow_sideways(std::vector<uint64_t>& grown, uint64_t* row, int64_t words) {
  for (int64_t w = 0; w < words; ++w) {
    const NearWords near = near_words(row, w, words);
    grown[static_cast<size_t>(w)] = near.left | near.own | near.right;
  }
  std::copy(grown.begin(), grown.end(), row);
}

}  // namespace

ReachedPixels::ReachedPixels(const PixelMask& mask, int64_t reach) : mask_(mask), reach_(reach) {}

void ReachedPixels::find(int64_t row, uint64_t* out) const {
  const InputPixelBits bits = mask_.bits();
  const int64_t words = bits.row_words;
  std::fill_n(out, words, uint64_t{0});
  const int64_t end = std::min(row + reach_ + 1, mask_.rows());
  for (int64_t r = std::max<int64_t>(row - reach_, 0); r < end; ++r) {
    const uint64_t* const active = row_of(bits, r);
    for (int64_t w = 0; w < words; ++w) out[w] |= active[w];
  }
  std::vector<uint64_t> grown(static_cast<size_t>(words));
  for (int64_t step = 0; step < reach_; ++step) grow_sideways(grown, out, words);
  out[words - 1] &= bits_within(mask_.width(), words - 1);
}

std::vector<int32_t> ReachedPixels::in_rows(int64_t r0, int64_t r1) const {
  std::vector<int32_t> pixels;
  std::vector<uint64_t> row(static_cast<size_t>(words_of(mask_.width())));
  for (int64_t r = r0; r < r1; ++r) {
    find(r, row.data());
    int64_t first = r * (mask_.width() + 2) + 1;
    for (const uint64_t word : row) {
      for (uint64_t rest = word; rest != 0; rest &= rest - 1) {
        pixels.push_back(static_cast<int32_t>(first + std::countr_zero(rest)));
      }
      first += kWordPixels;
    }
  }
  return pixels;
}

std::vector<int32_t> ReachedPixels::among(std::span<const int32_t> pixels) const {
  std::vector<int32_t> found;
  std::vector<uint64_t> row(static_cast<size_t>(words_of(mask_.width())));
  int64_t known = -1;
  for (const int32_t pixel : pixels) {
    const int64_t r = pixel / (mask_.width() + 2);
    if (r != known) find(r, row.data());
    known = r;
    if (is_set(row.data(), pixel % (mask_.width() + 2) - 1)) found.push_back(pixel);
  }
  return found;
}

int64_t ReachedPixels::count() const {
  int64_t found = 0;
  std::vector<uint64_t> row(static_cast<size_t>(words_of(mask_.width())));
  for (int64_t r = 0; r < mask_.rows(); ++r) {
    find(r, row.data());
    for (const uint64_t word : row) found += std::popcount(word);
  }
  return found;
}

}  // namespace sparsesr
