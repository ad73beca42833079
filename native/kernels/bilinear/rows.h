// Reference bilinear interpolation; compiled for each instruction set, with bit-identical results.
#pragma once

#include "kernels/bilinear/bilinear.h"

namespace sparsesr {
namespace {

// Source position of an output row or column: both neighbours, and the weight of the second.
struct Source {
  int64_t first;
  int64_t second;
  float share;
};

// Aligned corners. Integer arithmetic, so that every compiler gives the same result.
inline Source source_of(int64_t index, int64_t size, int64_t source_size) {
  if (size == 1 || source_size == 1) return {0, 0, 0.0f};
  const int64_t position = index * (source_size - 1);
  const int64_t first = position / (size - 1);
  const int64_t rest = position % (size - 1);
  return {first, rest == 0 ? first : first + 1, static_cast<float>(rest) / static_cast<float>(size - 1)};
}

inline void bilinear(const BilinearArgs& args, int64_t begin, int64_t end) {
  const int64_t stride = args.out.stride;
  for (int64_t r = begin; r < end; ++r) {
    const Source row = source_of(r, args.out_height, args.x_height);
    for (int64_t i = 0; i < args.out.width; ++i) {
      const Source column = source_of(i, args.out.width, args.x.width);
      const float* top_left = pixel_at(args.x, row.first, column.first);
      const float* top_right = pixel_at(args.x, row.first, column.second);
      const float* bottom_left = pixel_at(args.x, row.second, column.first);
      const float* bottom_right = pixel_at(args.x, row.second, column.second);
      const float left = 1.0f - column.share;
      const float top = 1.0f - row.share;
      float* out = pixel_at(args.out, r, i);
#pragma GCC ivdep
      for (int64_t c = 0; c < stride; ++c) {
        out[c] = top * (left * top_left[c] + column.share * top_right[c]) +
                 row.share * (left * bottom_left[c] + column.share * bottom_right[c]);
      }
    }
  }
}

}  // namespace
}  // namespace sparsesr
