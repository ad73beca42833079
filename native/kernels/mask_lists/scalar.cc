#include "kernels/mask_lists/mask_lists.h"

namespace sparsesr {
namespace {

// Calls `use` with the place of each set bit, in ascending order.
template <typename Use>
void for_each_bit(uint64_t bits, const Use& use) {
  for (; bits != 0; bits &= bits - 1) use(__builtin_ctzll(bits));
}

int32_t* append(uint64_t bits, int32_t first, int32_t* end) {
  for_each_bit(bits, [&](int bit) { *end++ = first + bit; });
  return end;
}

unsigned three_bits(const NearWords& near, int bit) {
  return static_cast<unsigned>((near.left >> bit & 1) | (near.own >> bit & 1) << 1 | (near.right >> bit & 1) << 2);
}

}  // namespace

void mask_lists__scalar(const MaskListsArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const uint64_t* const row = row_of(args.active, r);
    int32_t* active = args.active_pixels + args.active_before[r];
    int32_t* inactive = args.inactive_pixels + (r * args.width - args.active_before[r]);
    for (int64_t w = 0; w < args.active.row_words; ++w) {
      const auto first = static_cast<int32_t>(r * (args.width + 2) + 1 + w * kWordPixels);
      active = append(row[w], first, active);
      inactive = append(~row[w] & bits_within(args.width, w), first, inactive);
    }
  }
}

void mask_borders__scalar(const MaskBordersArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    int32_t* border = args.border_pixels + args.border_before[r];
    uint16_t* neighbours = args.neighbours + args.active_before[r];
    for (int64_t w = 0; w < args.active.row_words; ++w) {
      const auto first = static_cast<int32_t>(r * (args.width + 2) + 1 + w * kWordPixels);
      border = append(row_of(args.border, r)[w], first, border);
      NearWords rows[3];
      for (int dy = 0; dy < 3; ++dy) {
        rows[dy] = near_words(row_or_null(args.active, r + dy - 1, args.height), w, args.active.row_words);
      }
      for_each_bit(rows[1].own, [&](int bit) {
        *neighbours++ = static_cast<uint16_t>(three_bits(rows[0], bit) | three_bits(rows[1], bit) << 3 |
                                              three_bits(rows[2], bit) << 6);
      });
    }
  }
}

}  // namespace sparsesr
