// Depthwise convolution with vectors of channels: a column of three pixels is loaded once for the three outputs that it
// is part of, whose sums move through registers. The order of additions is the same at every pixel, so neither tiles nor
// bands nor threads change a bit.
//
// `V` is the instruction set: a vector type, its lanes, and the operations below. Everything has internal linkage on
// purpose, see window.h.
#pragma once

#include <algorithm>

#include "kernels/depthwise_conv/pixels.h"

namespace sparsesr {
namespace {

constexpr int64_t kTileBytes = 24 * 1024;  // three rows of a tile stay in L1 while all its channels are computed
constexpr int64_t kFewestPixels = 8;

// One vector of channels of consecutive pixels in one row.
template <typename V, typename T>
struct DepthwiseColumns {
  using Vector = typename V::Vector;

  const DepthwiseConvArgsOf<T>& args;
  int64_t channel;
  Vector weights[kDepthwiseTaps];
  Vector bias;
  Vector slopes;

  DepthwiseColumns(const DepthwiseConvArgsOf<T>& given, int64_t first_channel)
      : args(given), channel(first_channel), bias(V::load(given.bias + first_channel)),
        slopes(V::load(given.slopes + first_channel)) {
#pragma GCC unroll 9
    for (int64_t tap = 0; tap < kDepthwiseTaps; ++tap) {
      weights[tap] = V::load(given.weights + tap * given.out.stride + first_channel);
    }
  }

  // Three pixels above each other.
  struct Column {
    Vector values[3];
  };

  __attribute__((always_inline)) Column column(const T* x) const {
    const int64_t row = (args.x.width + 2) * args.x.stride;
    return {{V::load(x - row), V::load(x), V::load(x + row)}};
  }

  // Adds a column as the left, middle or right one of an output.
  template <int kPlace>
  __attribute__((always_inline)) Vector add(Vector sum, const Column& x) const {
#pragma GCC unroll 3
    for (int line = 0; line < 3; ++line) sum = V::multiply_add(x.values[line], weights[3 * line + kPlace], sum);
    return sum;
  }

  void run(int64_t r, int64_t first, int64_t count) const {
    const int64_t stride = args.out.stride;
    const T* x = pixel_at(args.x, r, first) + channel;
    T* out = pixel_at(args.out, r, first) + channel;
    const Column middle = column(x);
    Vector begun = add<1>(add<0>(bias, column(x - stride)), middle);  // lacks its right column
    Vector next = add<0>(bias, middle);                               // lacks two
    for (int64_t i = 0; i < count; ++i, x += stride, out += stride) {
      const Column right = column(x + stride);
      V::store(out, V::activate(add<2>(begun, right), args.activation, slopes));
      begun = add<1>(next, right);
      next = add<0>(bias, right);
    }
  }
};

template <typename V, typename T>
void depthwise_tiles(const DepthwiseConvArgsOf<T>& args, int64_t begin, int64_t end) {
  const int64_t stride = args.out.stride;
  if (stride % V::kLanes != 0) return depthwise_pixels(args, begin, end);  // an image
  const auto pixel_bytes = static_cast<int64_t>(sizeof(T)) * stride;
  const int64_t pixels = std::max(kFewestPixels, kTileBytes / (3 * pixel_bytes) - 2);
  for (int64_t first = 0; first < args.out.width; first += pixels) {
    const int64_t count = std::min(pixels, args.out.width - first);
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < stride; c += V::kLanes) DepthwiseColumns<V, T>(args, c).run(r, first, count);
    }
  }
}

}  // namespace
}  // namespace sparsesr
