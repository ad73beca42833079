// Reference bicubic; compiled for each instruction set with vectors of its own width, with bit-identical results.
#pragma once

#include "kernels/bicubic/bicubic.h"
#include "kernels/pixel4.h"

namespace sparsesr {
namespace {

constexpr int64_t kBlock = 64;  // source columns per block
constexpr int64_t kTaps = 4;
constexpr int64_t kAround = 2;  // columns of a blended block on either side

// `kPixels` image pixels, in the portable syntax that GCC and Clang share.
template <int64_t kPixels>
struct Together {
  typedef float Values __attribute__((vector_size(kPixels * kImageStride * sizeof(float))));
};
template <int64_t kPixels>
using Pixels = typename Together<kPixels>::Values;

template <int64_t kPixels>
Pixels<kPixels> load_pixels(const float* source) {
  Pixels<kPixels> pixels;
  __builtin_memcpy(&pixels, source, sizeof(pixels));
  return pixels;
}

// Weighted sum of four pixels each, from left to right.
template <int64_t kPixels>
Pixels<kPixels> blend(const float* a, const float* b, const float* c, const float* d, const float* weights) {
  return load_pixels<kPixels>(a) * weights[0] + load_pixels<kPixels>(b) * weights[1] +
         load_pixels<kPixels>(c) * weights[2] + load_pixels<kPixels>(d) * weights[3];
}

inline int64_t clamp(int64_t value, int64_t limit) { return value < 0 ? 0 : (value > limit ? limit : value); }

template <int64_t kPixels>
void blend_some_rows(const float* const* source, int64_t column, const float* weights, float* blended) {
  const int64_t x = column * kImageStride;
  const auto sum = blend<kPixels>(source[0] + x, source[1] + x, source[2] + x, source[3] + x, weights);
  __builtin_memcpy(blended, &sum, sizeof(sum));
}

// Blends the four source rows into one row, for columns `first` - kAround to `first` + `count` + kAround.
template <int64_t kPixels>
void blend_rows(const BicubicArgs& args, int64_t row, const float* weights, int64_t first, int64_t count,
                float* blended) {
  const float* source[kTaps];
  for (int64_t t = 0; t < kTaps; ++t) {
    source[t] = pixel_at(args.x, clamp(row + t, args.x_height - 1), 0);
  }
  const int64_t last = args.x.width - 1;
  for (int64_t x = first - kAround; x < first + count + kAround;) {
    if (x >= 0 && x + kPixels <= last + 1 && x + kPixels <= first + count + kAround) {
      blend_some_rows<kPixels>(source, x, weights, blended);
      x += kPixels;
      blended += kPixels * kImageStride;
    } else {
      blend_some_rows<1>(source, clamp(x, last), weights, blended);
      x += 1;
      blended += kImageStride;
    }
  }
}

// Blends neighbouring columns; `out` gets args.scale pixels per column.
template <int64_t kPixels>
void blend_some_columns(const BicubicArgs& args, const float* blended, float* out) {
  for (int64_t phase = 0; phase < args.scale; ++phase) {
    const float* x = blended + (kAround + args.offset[phase]) * kImageStride;
    const auto sum = blend<kPixels>(x, x + kImageStride, x + 2 * kImageStride, x + 3 * kImageStride, args.weights[phase]);
    float pixels[kPixels * kImageStride];
    __builtin_memcpy(pixels, &sum, sizeof(sum));
    for (int64_t n = 0; n < kPixels; ++n) {
      store_pixel(out + (n * args.scale + phase) * kImageStride, load_pixel(pixels + n * kImageStride));
    }
  }
}

template <int64_t kPixels>
void blend_columns(const BicubicArgs& args, const float* blended, int64_t count, float* out) {
  int64_t n = 0;
  for (; n + kPixels <= count; n += kPixels) {
    blend_some_columns<kPixels>(args, blended + n * kImageStride, out + n * args.scale * kImageStride);
  }
  for (; n < count; ++n) {
    blend_some_columns<1>(args, blended + n * kImageStride, out + n * args.scale * kImageStride);
  }
}

template <int64_t kPixels>
void bicubic(const BicubicArgs& args, int64_t begin, int64_t end) {
  float blended[(kBlock + 2 * kAround) * kImageStride];
  for (int64_t r = begin; r < end; ++r) {
    const int64_t phase = r % args.scale;
    const int64_t row = r / args.scale + args.offset[phase];
    for (int64_t x = 0; x < args.x.width; x += kBlock) {
      const int64_t count = args.x.width - x < kBlock ? args.x.width - x : kBlock;
      blend_rows<kPixels>(args, row, args.weights[phase], x, count, blended);
      blend_columns<kPixels>(args, blended, count, pixel_at(args.out, r, x * args.scale));
    }
  }
}

}  // namespace
}  // namespace sparsesr
