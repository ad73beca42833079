// Reference row sums; compiled for each instruction set, with bit-identical results.
#pragma once

#include "kernels/row_sums/row_sums.h"

namespace sparsesr {
namespace {

constexpr int64_t kBlock = 16;

// Sums `count` <= kBlock channels of one row, from left to right.
template <typename T>
void sum_channels(const T* pixel, int64_t width, int64_t stride, int64_t count, double* sums) {
  double acc[kBlock] = {};
  if (count == kBlock) {
    for (int64_t x = 0; x < width; ++x, pixel += stride) {
      for (int64_t c = 0; c < kBlock; ++c) acc[c] += static_cast<double>(widen(pixel[c]));
    }
  } else {
    for (int64_t x = 0; x < width; ++x, pixel += stride) {
      for (int64_t c = 0; c < count; ++c) acc[c] += static_cast<double>(widen(pixel[c]));
    }
  }
  for (int64_t c = 0; c < count; ++c) sums[c] = acc[c];
}

template <typename T>
void row_sums(const RowSumsArgsOf<T>& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t c = 0; c < args.channels; c += kBlock) {
      const int64_t count = args.channels - c < kBlock ? args.channels - c : kBlock;
      sum_channels(pixel_at(args.x, r, 0) + c, args.x.width, args.x.stride, count,
                   args.sums + r * args.channels + c);
    }
  }
}

}  // namespace
}  // namespace sparsesr
