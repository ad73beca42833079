// Folded convolutions with the vectors of one instruction set. Lanes are neighbouring pixels: the image is split into
// its channels first. Internal linkage, because including files differ in their instruction sets.
#pragma once

#include <algorithm>

#include "kernels/folded_convs/folded_convs.h"

namespace sparsesr {
namespace {

constexpr int64_t kQuad = 4;  // outputs stored at once
constexpr int64_t kMostLanes = 16;
// Vectors begin at multiples of their width, so the last one may read beyond the pixels.
constexpr int64_t kPlaneColumns = kMaxFoldedPixels + 2 * kFoldedReach + kMostLanes;

// Splits pixels `begin` to `end` of an image into its channels.
inline void split_pixels(const float* pixels, int64_t begin, int64_t end, float (*planes)[kPlaneColumns]) {
  for (int64_t x = begin; x < end; ++x) {
    for (int64_t c = 0; c < kImageChannels; ++c) planes[c][x] = pixels[x * kImageStride + c];
  }
}

// The channels of the rows around some pixels of a row.
template <typename Lanes>
class Planes {
 public:
  Planes(const FoldedConvsArgs& args, int64_t row, int64_t first, int64_t count) {
    for (int64_t dy = 0; dy < kFoldedSide; ++dy) {
      const int64_t r = row + dy - kFoldedReach;
      float(*const planes)[kPlaneColumns] = values_ + dy * kImageChannels;
      if (r < 0 || r >= args.height) continue;  // zeros
      Lanes::split(pixel_at(args.image, r, first - kFoldedReach), count + 2 * kFoldedReach, planes);
    }
  }

  const float* operator[](int64_t row_channel) const { return values_[row_channel]; }

 private:
  alignas(64) float values_[kFoldedSide * kImageChannels][kPlaneColumns] = {};
};

// kFoldedTogether outputs of kVectors vectors of pixels.
template <typename Lanes, int kVectors>
__attribute__((always_inline)) inline void sum_group(const Planes<Lanes>& planes, int64_t x, const float* weights,
                                                     const float* bias,
                                                     typename Lanes::Vector (*sums)[kFoldedTogether]) {
#pragma GCC unroll 12
  for (int64_t o = 0; o < kFoldedTogether; ++o) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sums[v][o] = Lanes::all(bias[o]);
  }
  for (int64_t row_channel = 0; row_channel < kFoldedSide * kImageChannels; ++row_channel) {
    const float* const plane = planes[row_channel] + x;
    for (int64_t dx = 0; dx < kFoldedSide; ++dx, weights += kFoldedTogether) {
      typename Lanes::Vector pixels[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) pixels[v] = Lanes::load(plane + dx + v * Lanes::kLanes);
#pragma GCC unroll 12
      for (int64_t o = 0; o < kFoldedTogether; ++o) {
        const typename Lanes::Vector weight = Lanes::all(weights[o]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sums[v][o] = Lanes::multiply_add(pixels[v], weight, sums[v][o]);
      }
    }
  }
}

template <typename Lanes, int kVectors>
void folded_pixels(const FoldedConvsArgs& args, const Planes<Lanes>& planes, int64_t x, int64_t count, float* out) {
  typename Lanes::Vector sums[kVectors][kFoldedTogether];
  const float* weights = args.weights;
  for (int64_t o = 0; o < args.outputs; o += kFoldedTogether, weights += kFoldedTaps * kFoldedTogether) {
    sum_group<Lanes, kVectors>(planes, x, weights, args.bias + o, sums);
    for (int v = 0; v < kVectors; ++v) {
      const int64_t begin = v * Lanes::kLanes;
      const int64_t stored = std::min<int64_t>(Lanes::kLanes, count - begin);
      for (int64_t q = 0; q < kFoldedTogether && o + q < args.outputs; q += kQuad) {
        Lanes::store_quads(sums[v] + q, out + begin * args.out.stride + o + q, args.out.stride, stored);
      }
    }
  }
}

template <typename Lanes, int kVectors>
void folded_convs(const FoldedConvsArgs& args, int64_t row, int64_t first, int64_t end) {
  const int64_t count = end - first;
  const Planes<Lanes> planes(args, row, first, count);
  float* const out = pixel_at(args.out, row, first);
  int64_t x = 0;
  for (; x + (kVectors - 1) * Lanes::kLanes < count; x += kVectors * Lanes::kLanes) {
    folded_pixels<Lanes, kVectors>(args, planes, x, count - x, out + x * args.out.stride);
  }
  if (kVectors > 1 && x < count) {
    folded_pixels<Lanes, 1>(args, planes, x, count - x, out + x * args.out.stride);
  }
}

}  // namespace
}  // namespace sparsesr
