#include "operators/row_moves.h"

#include <bit>
#include <cstring>
#include <vector>

#include "core/threads.h"

namespace sparsesr {
namespace {

// Calls `use` with each range of rows that a thread can move. Rows that lie where others are moved to come last.
template <typename Use>
void for_rows(const RowMove& move, int threads, const Use& use) {
  parallel_for(move.shift < move.rows ? 1 : threads, 0, move.rows, 1, use);
}

// Calls `use` with the first pixel and the number of pixels of each run of set bits.
template <typename Use>
void for_runs(const std::vector<uint64_t>& row, const Use& use) {
  int64_t first = 0;
  for (uint64_t word : row) {
    while (word != 0) {
      const int begin = std::countr_zero(word);
      const int count = std::countr_one(word >> begin);
      use(first + begin, count);
      word = begin + count < kWordPixels ? word >> (begin + count) << (begin + count) : 0;
    }
    first += kWordPixels;
  }
}

}  // namespace

void move_rows(const RowMove& move, int threads) {
  for_rows(move, threads, [&](int64_t begin, int64_t end) {
    std::memmove(move.map + begin * move.row_bytes, move.map + (begin + move.shift) * move.row_bytes,
                 static_cast<size_t>((end - begin) * move.row_bytes));
  });
}

void move_rows(const RowMove& move, const ReachedPixels& reached, int64_t row0, int threads) {
  for_rows(move, threads, [&](int64_t begin, int64_t end) {
    std::vector<uint64_t> pixels(static_cast<size_t>(reached.row_words()));
    for (int64_t row = begin; row < end; ++row) {
      std::byte* const to = move.map + row * move.row_bytes;
      const std::byte* const from = to + move.shift * move.row_bytes;
      if (!reached.knows(row0 + row)) {
        std::memcpy(to, from, static_cast<size_t>(move.row_bytes));
        continue;
      }
      reached.find(row0 + row, pixels.data());
      for_runs(pixels, [&](int64_t pixel, int64_t count) {
        const int64_t place = (pixel + 1) * move.pixel_bytes;  // behind the border pixel
        std::memcpy(to + place, from + place, static_cast<size_t>(count * move.pixel_bytes));
      });
    }
  });
}

}  // namespace sparsesr
