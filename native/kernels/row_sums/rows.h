// Reference row sums; compiled for each instruction set with vectors of its own width, with bit-identical results: each
// sum goes from left to right.
#pragma once

#include "kernels/row_sums/row_sums.h"

namespace sparsesr {
namespace {

// `kLanes` values, in the portable syntax that GCC and Clang share.
template <int kLanes>
struct LanesOf {
  typedef double Doubles __attribute__((vector_size(kLanes * sizeof(double))));
  typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
  typedef uint32_t Words __attribute__((vector_size(kLanes * sizeof(uint32_t))));
  typedef uint16_t Halves __attribute__((vector_size(kLanes * sizeof(uint16_t))));
};

template <int kLanes>
__attribute__((always_inline)) inline void add_values(const float* x, typename LanesOf<kLanes>::Doubles& sum) {
  typename LanesOf<kLanes>::Floats values;
  __builtin_memcpy(&values, x, sizeof(values));
  sum += __builtin_convertvector(values, typename LanesOf<kLanes>::Doubles);
}

template <int kLanes>
__attribute__((always_inline)) inline void add_values(const Bf16* x, typename LanesOf<kLanes>::Doubles& sum) {
  typename LanesOf<kLanes>::Halves halves;
  __builtin_memcpy(&halves, x, sizeof(halves));
  const auto words = __builtin_convertvector(halves, typename LanesOf<kLanes>::Words) << 16;
  typename LanesOf<kLanes>::Floats values;
  __builtin_memcpy(&values, &words, sizeof(values));
  sum += __builtin_convertvector(values, typename LanesOf<kLanes>::Doubles);
}

template <typename T>
const T* pixel_or_outside(const RowSumsArgsOf<T>& args, const uint64_t* active, const T* pixel, int64_t x) {
  return active == nullptr || is_set(active, x) ? pixel : args.outside;
}

// Sums kVectors * kLanes channels from `c` of one row.
template <int kLanes, int kVectors, typename T>
void sum_channels(const RowSumsArgsOf<T>& args, int64_t row, const uint64_t* active, int64_t c) {
  const T* pixel = pixel_at(args.x, row, 0);
  typename LanesOf<kLanes>::Doubles sums[kVectors] = {};
  for (int64_t x = 0; x < args.x.width; ++x, pixel += args.x.stride) {
    const T* values = pixel_or_outside(args, active, pixel, x) + c;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) add_values<kLanes>(values + v * kLanes, sums[v]);
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
template <int kLanes, int kVectors, typename T>
int64_t sum_blocks(const RowSumsArgsOf<T>& args, int64_t row, const uint64_t* active, int64_t c) {
  constexpr int64_t kBlock = kLanes * kVectors;
  for (; c + kBlock <= args.channels; c += kBlock) sum_channels<kLanes, kVectors>(args, row, active, c);
  return c;
}

template <int kLanes, typename T>
void row_sums(const RowSumsArgsOf<T>& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const uint64_t* const active = args.active.words == nullptr ? nullptr : row_of(args.active, r);
    int64_t c = sum_blocks<kLanes, 8>(args, r, active, 0);
    c = sum_blocks<kLanes, 4>(args, r, active, c);
    c = sum_blocks<kLanes, 2>(args, r, active, c);
    for (; c < args.channels; ++c) sum_channel(args, r, active, c);
  }
}

}  // namespace
}  // namespace sparsesr
