#include "operators/pixel_mask.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "core/kernel_table.h"
#include "core/threads.h"
#include "operators/upsampled_mask.h"

namespace sparsesr {
namespace {

constexpr uint16_t kAllNeighbours = 0x1ff;
constexpr int64_t kRowsTogether = 4;  // rows of lists are short work

template <typename Value>
std::unique_ptr<Value[]> uninitialised(int64_t count) {
  return std::unique_ptr<Value[]>(new Value[static_cast<size_t>(count)]);
}

}  // namespace

PixelMask::PixelMask(int64_t height, int64_t width)
    : height_(height),
      width_(width),
      row_words_(words_of(width)),
      bits_(uninitialised<uint64_t>(height * row_words_)),
      border_bits_(uninitialised<uint64_t>(height * row_words_)),
      active_(uninitialised<int32_t>(height * width)),
      inactive_(uninitialised<int32_t>(height * width)),
      border_(uninitialised<int32_t>(height * width)),
      neighbours_(uninitialised<uint16_t>(height * width)),
      active_before_(static_cast<size_t>(height) + 1),
      border_before_(static_cast<size_t>(height) + 1) {}

void PixelMask::grow(const InputWindow& logits, int64_t r1, float bias, int threads, Isa isa) {
  const MaskArgs args{logits, bias, {bits_.get(), row_words_}};
  add_rows(r1, threads, isa, [&](int64_t begin, int64_t end) { kernel_table(isa).mask.run(args, begin, end); });
}

void PixelMask::grow(const UpsampledMaskWeights& weights, const AnyWindow& x, int64_t x_height, int64_t r1,
                     float bias, int threads) {
  const PixelBits bits{bits_.get(), row_words_};
  add_rows(r1, threads, weights.isa(),
           [&](int64_t begin, int64_t end) { weights.find(x, x_height, bias, bits, begin, end); });
}

void PixelMask::fill(InputPixelBits active, int threads, Isa isa) {
  clear();
  add_rows(height_, threads, isa, [&](int64_t begin, int64_t end) {
    std::copy(row_of(active, begin), row_of(active, end), bits_.get() + begin * row_words_);
  });
}

PixelMask::Pixels PixelMask::border(int64_t r0, int64_t r1) const {
  const int64_t first = border_before_[static_cast<size_t>(std::min(r0, border_rows_))];
  const int64_t end = border_before_[static_cast<size_t>(std::min(r1, border_rows_))];
  return {border_.get() + first, count(first, end)};
}

// Bits of the border in one row, and their number.
int64_t PixelMask::find_border(int64_t row) {
  int64_t found = 0;
  for (int64_t w = 0; w < row_words_; ++w) {
    uint64_t near = 0;
    for (int64_t r = row - 1; r <= row + 1; ++r) {
      const NearWords words = near_words(row_or_null(bits(), r, height_), w, row_words_);
      near |= words.left | words.own | words.right;
    }
    const uint64_t own = row_of(bits(), row)[w];
    const uint64_t border = near & ~own & bits_within(width_, w);
    border_bits_[static_cast<size_t>(row * row_words_ + w)] = border;
    found += std::popcount(border);
  }
  return found;
}

void PixelMask::count_rows(int64_t r1, int64_t border_end) {
  for (int64_t r = rows_; r < r1; ++r) {
    const uint64_t* const words = row_of(bits(), r);
    int64_t active = 0;
    for (int64_t w = 0; w < row_words_; ++w) active += std::popcount(words[w]);
    active_before_[static_cast<size_t>(r) + 1] = before(r) + active;
  }
  for (int64_t r = border_rows_; r < border_end; ++r) {
    border_before_[static_cast<size_t>(r) + 1] = border_before_[static_cast<size_t>(r)] + find_border(r);
  }
}

// Counts are needed before rows can be listed at the same time; they take a few operations per 64 pixels.
void PixelMask::add_rows(int64_t r1, int threads, Isa isa,
                         const std::function<void(int64_t begin, int64_t end)>& fill_bits) {
  if (r1 <= rows_) return;
  parallel_for(threads, rows_, r1, kRowsTogether, fill_bits);
  const int64_t border_end = r1 == height_ ? r1 : r1 - 1;
  count_rows(r1, border_end);
  const MaskListsArgs lists{bits(), width_, active_before_.data(), active_.get(), inactive_.get()};
  const MaskBordersArgs borders{
      bits(),        {border_bits_.get(), row_words_}, width_, height_, active_before_.data(), border_before_.data(),
      border_.get(), neighbours_.get()};
  const KernelTable& table = kernel_table(isa);
  const int64_t first_new = rows_, first_bordered = border_rows_;
  parallel_for(threads, first_bordered, r1, kRowsTogether, [&](int64_t begin, int64_t end) {
    if (const int64_t first = std::max(begin, first_new); first < end) table.mask_lists.run(lists, first, end);
    if (const int64_t last = std::min(end, border_end); begin < last) table.mask_borders.run(borders, begin, last);
  });
  std::fill(neighbours_.get() + before(border_end), neighbours_.get() + before(r1), kAllNeighbours);
  rows_ = r1;
  border_rows_ = border_end;
}

}  // namespace sparsesr
