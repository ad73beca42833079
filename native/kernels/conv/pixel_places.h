// Addresses of the pixels of a tile. Internal linkage, because including files differ in their instruction sets.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {
namespace {

constexpr int kLineFloats = 16;  // per cache line

// Pixel addresses of a tile, at arbitrary positions: one pointer each, not all of which may fit in registers.
template <typename Value, int kPixels>
struct Scattered {
  const Value* x[kPixels];

  __attribute__((always_inline)) Scattered(const ConvInput& input, const int32_t* pixels) {
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) {
      x[p] = static_cast<const Value*>(input.data) + (pixels[p] + input.shift) * input.stride;
    }
  }
  __attribute__((always_inline)) const Value* at(int p) const { return x[p]; }
};

// Adjacent pixels: one pointer and constant offsets.
template <typename Value, int64_t kStride>
struct SideBySide {
  const Value* x;

  __attribute__((always_inline)) SideBySide(const ConvInput& input, const int32_t* pixels)
      : x(static_cast<const Value*>(input.data) + (pixels[0] + input.shift) * kStride) {}
  __attribute__((always_inline)) const Value* at(int p) const { return x + p * kStride; }
};

template <int kPixels>
bool are_side_by_side(const int32_t* pixels) {
  int32_t gaps = 0;
  for (int p = 1; p < kPixels; ++p) gaps |= pixels[p] - pixels[0] - p;
  return gaps == 0;
}

// Common stride of the inputs; 0 if they differ.
inline int64_t common_stride(const ConvArgs& args) {
  for (int i = 1; i < args.input_count; ++i) {
    if (args.inputs[i].stride != args.inputs[0].stride) return 0;
  }
  return args.inputs[0].stride;
}

// Copies `count` pixels and repeats the last until there are `wanted`.
inline void repeat_last(const int32_t* pixels, int64_t count, int64_t wanted, int32_t* result) {
  for (int64_t p = 0; p < wanted; ++p) result[p] = pixels[p < count ? p : count - 1];
}

}  // namespace
}  // namespace sparsesr
