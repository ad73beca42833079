// Lists sixteen pixels at a time.
#include <immintrin.h>

#include "kernels/mask_lists/mask_lists.h"

namespace sparsesr {
namespace {

constexpr int kPixels = 16;

__mmask16 first_lanes(int count) { return static_cast<__mmask16>((1u << count) - 1u); }

__m512i counting_from(int32_t first) {
  const __m512i counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_add_epi32(counting, _mm512_set1_epi32(first));
}

// Appends the chosen ones of these numbers; never writes beyond them: there, another thread lists the next row.
int32_t* append(__mmask16 chosen, __m512i pixels, int32_t* end) {
  const int added = __builtin_popcount(chosen);
  _mm512_mask_storeu_epi32(end, first_lanes(added), _mm512_maskz_compress_epi32(chosen, pixels));
  return end + added;
}

__mmask16 sixteen(uint64_t word, int first) { return static_cast<__mmask16>(word >> first); }

// Sets of active neighbours of sixteen pixels.
__m512i neighbour_sets(const NearWords* rows, int first) {
  __m512i sets = _mm512_setzero_si512();
#pragma GCC unroll 3
  for (int dy = 0; dy < 3; ++dy) {
    const uint64_t words[3] = {rows[dy].left, rows[dy].own, rows[dy].right};
#pragma GCC unroll 3
    for (int dx = 0; dx < 3; ++dx) {
      const __m512i bit = _mm512_set1_epi32(1 << (3 * dy + dx));
      sets = _mm512_mask_or_epi32(sets, sixteen(words[dx], first), sets, bit);
    }
  }
  return sets;
}

}  // namespace

void mask_lists__avx512(const MaskListsArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const uint64_t* const row = row_of(args.active, r);
    int32_t* active = args.active_pixels + args.active_before[r];
    int32_t* inactive = args.inactive_pixels + (r * args.width - args.active_before[r]);
    for (int64_t x = 0; x < args.width; x += kPixels) {
      const int64_t w = x / kWordPixels;
      const auto first = static_cast<int>(x % kWordPixels);
      const __m512i pixels = counting_from(static_cast<int32_t>(r * (args.width + 2) + 1 + x));
      active = append(sixteen(row[w], first), pixels, active);
      inactive = append(sixteen(~row[w] & bits_within(args.width, w), first), pixels, inactive);
    }
  }
}

void mask_borders__avx512(const MaskBordersArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    int32_t* border = args.border_pixels + args.border_before[r];
    uint16_t* neighbours = args.neighbours + args.active_before[r];
    for (int64_t w = 0; w < args.active.row_words; ++w) {
      NearWords rows[3];
      for (int dy = 0; dy < 3; ++dy) {
        rows[dy] = near_words(row_or_null(args.active, r + dy - 1, args.height), w, args.active.row_words);
      }
      const uint64_t found = row_of(args.border, r)[w];
      for (int first = 0; first < kWordPixels; first += kPixels) {
        const __m512i pixels =
            counting_from(static_cast<int32_t>(r * (args.width + 2) + 1 + w * kWordPixels + first));
        border = append(sixteen(found, first), pixels, border);
        const __mmask16 active = sixteen(rows[1].own, first);
        if (active == 0) continue;
        const int count = __builtin_popcount(active);
        const __m512i sets = _mm512_maskz_compress_epi32(active, neighbour_sets(rows, first));
        _mm256_mask_storeu_epi16(neighbours, first_lanes(count), _mm512_cvtepi32_epi16(sets));
        neighbours += count;
      }
    }
  }
}

}  // namespace sparsesr
