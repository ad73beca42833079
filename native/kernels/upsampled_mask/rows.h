// Masks from transposed convolutions, with the vectors of one instruction set: Sums::add adds the products of kMaskLanes
// channels, and Sums::are_positive adds up the lanes of four such sums. Bit-identical for all of them. Internal linkage,
// because including files differ in their instruction sets.
//
// Input pixel i contributes to output pixels 2i - 1 (weight 0), 2i (weight 1) and 2i + 1 (weight 2) of a row or column.
#pragma once

#include "kernels/upsampled_mask/upsampled_mask.h"

namespace sparsesr {
namespace {

// Adds what an input pixel and the next one give to an even and to an odd column; `row` holds weights of a kernel row.
template <typename Sums, typename T>
__attribute__((always_inline)) inline void add_pixel(const T* x, const T* next, const float* row, int64_t channels,
                                                     Sums* columns) {
  columns[0].add(x, row + channels);
  columns[1].add(x, row + 2 * channels);
  columns[1].add(next, row);
}

// The flags of the output pixels right of `kPixels` input pixels, in an even row or in an odd one.
template <typename Sums, int kPixels, bool kIsOdd, typename T>
__attribute__((always_inline)) inline uint64_t flags_of(const UpsampledMaskArgsOf<T>& args, const T* x,
                                                        const T* below) {
  constexpr int64_t kOwnRow = kIsOdd ? 2 : 1;
  Sums sums[4];
  const int64_t n = args.channels;
  const int64_t stride = args.x.stride;
  for (int64_t c = 0; c < n; c += kMaskLanes) {
    const float* const weights = args.weights + c;
#pragma GCC unroll 2
    for (int i = 0; i < kPixels; ++i) {
      const T* const pixel = x + i * stride + c;
      add_pixel(pixel, pixel + stride, weights + kOwnRow * 3 * n, n, sums + 2 * i);
      if (!kIsOdd || below == nullptr) continue;
      const T* const lower = below + i * stride + c;
      add_pixel(lower, lower + stride, weights, n, sums + 2 * i);
    }
  }
  return Sums::are_positive(sums, args.bias) & ((1u << 2 * kPixels) - 1u);
}

template <typename Sums, bool kIsOdd, typename T>
void mask_row(const UpsampledMaskArgsOf<T>& args, int64_t row) {
  const int64_t stride = args.x.stride;
  const int64_t width = args.x.width;
  const bool has_below = kIsOdd && row / 2 + 1 < args.x_height;
  const T* const x = pixel_at(args.x, row / 2, 0);
  const T* const below = has_below ? pixel_at(args.x, row / 2 + 1, 0) : nullptr;
  const auto below_at = [&](int64_t n) { return has_below ? below + n * stride : nullptr; };
  uint64_t* word = row_of(args.active, row);
  for (int64_t n = 0; n < width; ++word) {
    uint64_t bits = 0;
    int64_t place = 0;
    for (; place < kWordPixels && n + 2 <= width; n += 2, place += 4) {
      bits |= flags_of<Sums, 2, kIsOdd>(args, x + n * stride, below_at(n)) << place;
    }
    if (place < kWordPixels && n < width) {
      bits |= flags_of<Sums, 1, kIsOdd>(args, x + n * stride, below_at(n)) << place;
      ++n;
    }
    *word = bits;
  }
}

template <typename Sums, typename T>
void upsampled_mask(const UpsampledMaskArgsOf<T>& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    if (r % 2 == 0) {
      mask_row<Sums, false>(args, r);
    } else {
      mask_row<Sums, true>(args, r);
    }
  }
}

}  // namespace
}  // namespace sparsesr
