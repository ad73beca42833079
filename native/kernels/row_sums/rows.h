// Row sums with the vectors of one instruction set: Vector::add adds kLanes values to a vector of doubles. Bit-identical
// for all of them: each sum goes from left to right. Internal linkage, because including files differ in their
// instruction sets.
#pragma once

#include "kernels/row_sums/row_sums.h"

namespace sparsesr {
namespace {

template <typename T>
const T* pixel_or_outside(const RowSumsArgsOf<T>& args, const uint64_t* active, const T* pixel, int64_t x) {
  return active == nullptr || is_set(active, x) ? pixel : args.outside;
}

// Sums kVectors * kLanes channels from `c` of one row.
template <typename Vector, int kVectors, typename T>
void sum_channels(const RowSumsArgsOf<T>& args, int64_t row, const uint64_t* active, int64_t c) {
  const T* pixel = pixel_at(args.x, row, 0);
  typename Vector::Doubles sums[kVectors] = {};
  for (int64_t x = 0; x < args.x.width; ++x, pixel += args.x.stride) {
    const T* values = pixel_or_outside(args, active, pixel, x) + c;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[v] = Vector::add(sums[v], values + v * Vector::kLanes);
  }
  __builtin_memcpy(args.sums + row * args.channels + c, sums, sizeof(sums));
}

template <typename T>
void sum_channel(const RowSumsArgsOf<T>& args, int64_t row, const uint64_t* active, int64_t c) {
  const T* pixel = pixel_at(args.x, row, 0);
  double sum = 0.0;
  for (int64_t x = 0; x < args.x.width; ++x, pixel += args.x.stride) {
    sum += static_cast<double>(widen(pixel_or_outside(args, active, pixel, x)[c]));
  }
  args.sums[row * args.channels + c] = sum;
}

// Sums `kVectors` vectors at a time while as many channels are left.
template <typename Vector, int kVectors, typename T>
int64_t sum_blocks(const RowSumsArgsOf<T>& args, int64_t row, const uint64_t* active, int64_t c) {
  constexpr int64_t kBlock = Vector::kLanes * kVectors;
  for (; c + kBlock <= args.channels; c += kBlock) sum_channels<Vector, kVectors>(args, row, active, c);
  return c;
}

template <typename Vector, typename T>
void row_sums(const RowSumsArgsOf<T>& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const uint64_t* const active = args.active.words == nullptr ? nullptr : row_of(args.active, r);
    int64_t c = sum_blocks<Vector, 8>(args, r, active, 0);
    c = sum_blocks<Vector, 4>(args, r, active, c);
    c = sum_blocks<Vector, 2>(args, r, active, c);
    for (; c < args.channels; ++c) sum_channel(args, r, active, c);
  }
}

}  // namespace
}  // namespace sparsesr
