#include "operators/image_ending.h"

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
    table_.store.run(ending_.store, r, r + 1);
  }

 private:
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

void run_image_ending(const ImageEnding& ending, Isa isa, int64_t r0, int64_t r1, int threads) {
  parallel_for(threads, r0, r1, 1, [&](int64_t begin, int64_t end) {
    Row row(ending, isa);
    for (int64_t r = begin; r < end; ++r) row.run(r);
  });
}

}  // namespace sparsesr
