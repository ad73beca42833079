// Rows and pixels of a quantised map, with the arithmetic of one instruction set: Vector::step converts kValues values. Internal
// linkage, because including files differ in their instruction sets.
#pragma once

#include "kernels/quantise/quantise.h"

namespace sparsesr {
namespace {

template <typename Vector, typename T>
void quantise(const QuantiseArgsOf<T>& args, int64_t begin, int64_t end) {
  const Vector vector(args.factor, args.offset);
  const int64_t values = args.out.width * args.out.stride;
  for (int64_t r = begin; r < end; ++r) {
    const T* x = pixel_at(args.x, r, 0);
    U8* out = pixel_at(args.out, r, 0);
    for (int64_t i = 0; i < values; i += Vector::kValues) vector.step(x + i, out + i);
  }
}

// Pixels ahead: lists have no pattern that the hardware prefetcher could predict.
constexpr int64_t kPrefetched = 12;

template <typename T>
void prefetch(const QuantisePixelsArgs& args, int32_t pixel) {
  constexpr int64_t kLineBytes = 64;
  constexpr int64_t kLineValues = kLineBytes / sizeof(T);
  const T* x = pixel_of<const T>(args.x, pixel);
  const U8* out = pixel_of<U8>(args.out, pixel);
  for (int64_t i = 0; i < args.x.stride; i += kLineValues) __builtin_prefetch(x + i);
  for (int64_t i = 0; i < args.out.stride; i += kLineBytes) __builtin_prefetch(out + i, 1);
}

template <typename Vector, typename T>
void quantise_pixels(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  const Vector vector(args.factor, args.offset);
  for (int64_t n = 0; n < count; ++n) {
    if (n + kPrefetched < count) prefetch<T>(args, pixels[n + kPrefetched]);
    const T* x = pixel_of<const T>(args.x, pixels[n]);
    U8* out = pixel_of<U8>(args.out, pixels[n]);
    for (int64_t i = 0; i < args.out.stride; i += Vector::kValues) vector.step(x + i, out + i);
  }
}

}  // namespace
}  // namespace sparsesr
