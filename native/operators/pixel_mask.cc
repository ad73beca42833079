#include "operators/pixel_mask.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/kernel_table.h"
#include "operators/tap_sets.h"

namespace sparsesr {
namespace {

constexpr uint16_t kAllNeighbours = 0x1ff;

// Appends the set bytes of a row as pixel numbers, starting at `pixel`. Few are set, so eight are tested at once.
int32_t* append_set(const uint8_t* flags, int64_t count, int32_t pixel, int32_t* end) {
  for (int64_t c = 0; c < count; c += 8) {
    uint64_t eight = 0;
    const int64_t some = std::min<int64_t>(8, count - c);
    std::memcpy(&eight, flags + c, static_cast<size_t>(some));
    if (eight == 0) continue;
    for (int64_t i = 0; i < some; ++i) {
      *end = static_cast<int32_t>(pixel + c + i);
      end += flags[c + i];
    }
  }
  return end;
}

}  // namespace

PixelMask::PixelMask(int64_t height, int64_t width)
    : height_(height),
      width_(width),
      active_(new int32_t[static_cast<size_t>(height * width)]),
      inactive_(new int32_t[static_cast<size_t>(height * width)]),
      border_(new int32_t[static_cast<size_t>(height * width) + 1]),  // append_set writes one element past its result
      neighbours_(new uint16_t[static_cast<size_t>(height * width)]) {}

void PixelMask::clear() { n_active_ = n_inactive_ = n_border_ = rows_ = border_rows_ = 0; }

void PixelMask::grow(const InputWindow& logits, int64_t r1, float bias, Isa isa) {
  MaskArgs args{logits, bias, active_.get(), inactive_.get(), n_active_, n_inactive_};
  // The kernel writes a pixel before it knows which list it belongs to, so it must not run on full lists.
  if (rows_ < r1) kernel_table(isa).mask.run(args, rows_, r1);
  std::fill(neighbours_.get() + n_active_, neighbours_.get() + args.active_count, kAllNeighbours);
  n_active_ = args.active_count;
  n_inactive_ = args.inactive_count;
  rows_ = r1;
  grow_border(r1 == height_ ? r1 : r1 - 1);
}

PixelMask::Pixels PixelMask::cut(const int32_t* list, int64_t count, int64_t r0, int64_t r1) const {
  const auto columns = static_cast<int32_t>(width_ + 2);
  const int32_t* first = std::lower_bound(list, list + count, static_cast<int32_t>(r0) * columns);
  const int32_t* last = std::lower_bound(first, list + count, static_cast<int32_t>(r1) * columns);
  return {first, last};
}

std::span<const uint16_t> PixelMask::neighbours(int64_t r0, int64_t r1) const {
  const Pixels pixels = active(r0, r1);
  return {neighbours_.get() + (pixels.data() - active_.get()), pixels.size()};
}

// `flags` start at row r0 - 1.
void PixelMask::find_neighbours(int64_t r0, int64_t end, const uint8_t* flags) {
  const int64_t columns = width_ + 2;
  const int64_t first = (r0 - 1) * columns;
  const Pixels pixels = active(r0, end);
  uint16_t* found = neighbours_.get() + (pixels.data() - active_.get());
  for (const int32_t pixel : pixels) *found++ = neighbours_of(flags + (pixel - first), columns);
}

void PixelMask::grow_border(int64_t end) {
  if (end <= border_rows_) return;
  const int64_t r0 = border_rows_;
  const auto columns = static_cast<size_t>(width_ + 2);
  // Flags of rows r0 - 1 to end.
  std::vector<uint8_t> flags(static_cast<size_t>(end - r0 + 2) * columns);
  const int64_t first = (r0 - 1) * static_cast<int64_t>(columns);
  for (const int32_t pixel : active(r0 - 1, end + 1)) flags[static_cast<size_t>(pixel - first)] = 1;
  find_neighbours(r0, end, flags.data());
  std::vector<uint8_t> near(columns);    // for one row: active here, above or below
  std::vector<uint8_t> wanted(columns);  // for its pixels: inactive, next to one that is near
  int32_t* found = border_.get() + n_border_;
  for (int64_t r = r0; r < end; ++r) {
    const uint8_t* row = flags.data() + static_cast<size_t>(r - r0 + 1) * columns;
    const uint8_t* above = row - columns;
    const uint8_t* below = row + columns;
    for (size_t c = 0; c < columns; ++c) near[c] = above[c] | row[c] | below[c];
    for (size_t c = 1; c + 1 < columns; ++c) {
      wanted[c - 1] = static_cast<uint8_t>((near[c - 1] | near[c] | near[c + 1]) & (row[c] ^ 1));
    }
    const auto first_pixel = static_cast<int32_t>(r * static_cast<int64_t>(columns) + 1);
    found = append_set(wanted.data(), width_, first_pixel, found);
  }
  n_border_ = found - border_.get();
  border_rows_ = end;
}

}  // namespace sparsesr
