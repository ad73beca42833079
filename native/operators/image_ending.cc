#include "operators/image_ending.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "core/kernel_table.h"
#include "core/threads.h"

namespace sparsesr {
namespace {

// A row of the skip and one of the sum, which stay in the nearest cache from the first operation to the last.
class Row {
 public:
  Row(const ImageEnding& ending, Isa isa)
      : table_(kernel_table(isa)),
        ending_(ending),
        row_values_((ending.shuffle.out.width + 2) * ending.shuffle.out.stride),
        values_(static_cast<size_t>(2 * row_values_)) {}

  void run(int64_t r) {
    // Not in place: loads would wait for the vector stores just before them to reach the cache.
    const Window skip = window(r, 0);
    const Window sum = window(r, 1);
    if (ending_.adds_bicubic) {
      ending_.bicubic.out = skip;
      table_.bicubic.run(ending_.bicubic, r, r + 1);
      ending_.shuffle.skip = as_input(skip);
    }
    ending_.shuffle.out = sum;
    table_.pixel_shuffle.run(ending_.shuffle, r, r + 1);
    ending_.store.x = as_input(sum);
  }

  void store(int64_t r) const { table_.store.run(ending_.store, r, r + 1); }

  // Stores what becomes of some pixels of row r / scale, run by run.
  void store(int64_t r, std::span<const int32_t> pixels) const {
    const int64_t scale = ending_.shuffle.scale;
    const int64_t first_number = r / scale * (ending_.shuffle.x.width + 2) + 1;
    for (size_t begin = 0, end = 0; begin < pixels.size(); begin = end) {
      for (end = begin + 1; end < pixels.size() && pixels[end] == pixels[end - 1] + 1;) ++end;
      store_run(r, scale * (pixels[begin] - first_number), scale * static_cast<int64_t>(end - begin));
    }
  }

 private:
  // Stores columns of row r from `column` on, as the only row of an image of their width.
  void store_run(int64_t r, int64_t column, int64_t columns) const {
    const StoreArgs& all = ending_.store;
    StoreArgs some = all;
    some.width = std::min(columns, all.width - column);  // padding is not part of the image
    if (some.width <= 0) return;
    some.x.data += column * all.x.stride;
    some.x.row0 = 0;
    some.image = static_cast<std::byte*>(all.image) +
                 (r * all.width + column) * kImageChannels * value_bytes(all.type);
    table_.store.run(some, 0, 1);
  }

  Window window(int64_t r, int64_t number) {
    const Window& out = ending_.shuffle.out;
    return {values_.data() + number * row_values_, r, 1, out.width, out.stride};
  }

  static InputWindow as_input(const Window& w) { return {w.data, w.row0, w.rows, w.width, w.stride}; }

  const KernelTable& table_;
  ImageEnding ending_;
  int64_t row_values_;
  std::vector<float> values_;
};

}  // namespace

void run_image_ending(const ImageEnding& ending, Isa isa, int64_t r0, int64_t r1, int threads,
                      const PixelList* pixels) {
  const int64_t scale = ending.shuffle.scale;
  parallel_for(threads, r0, r1, 1, [&](int64_t begin, int64_t end) {
    Row row(ending, isa);
    for (int64_t r = begin; r < end; ++r) {
      if (pixels == nullptr) {
        row.run(r);
        row.store(r);
      } else if (const auto some = pixels->in_rows(r / scale, r / scale + 1); !some.empty()) {
        row.run(r);
        row.store(r, some);
      }
    }
  });
}

}  // namespace sparsesr
