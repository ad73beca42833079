// Reference of masks from transposed convolutions; compiled for each instruction set with vectors of its own width, with
// bit-identical results. Lanes of a vector are input channels.
//
// Input pixel i contributes to output pixels 2i - 1 (weight 0), 2i (weight 1) and 2i + 1 (weight 2) of a row or column.
#pragma once

#include "kernels/upsampled_mask/upsampled_mask.h"

namespace sparsesr {
namespace {

template <int kLanes>
struct LanesOf {
  typedef float Values __attribute__((vector_size(kLanes * sizeof(float))));
};
using Four = LanesOf<4>::Values;

// kMaskLanes sums, in vectors of kLanes.
template <int kLanes>
struct LaneSums {
  using Vector = typename LanesOf<kLanes>::Values;
  static constexpr int kParts = kMaskLanes / kLanes;

  Vector parts[kParts] = {};

  template <typename T>
  __attribute__((always_inline)) void add(const T* x, const float* weights) {
    float values[kMaskLanes];
    for (int64_t c = 0; c < kMaskLanes; ++c) values[c] = widen(x[c]);
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
      Vector value, weight;
      __builtin_memcpy(&value, values + p * kLanes, sizeof(value));
      __builtin_memcpy(&weight, weights + p * kLanes, sizeof(weight));
      parts[p] += value * weight;
    }
  }

  __attribute__((always_inline)) float total() const {
    Four quarters[4];
    __builtin_memcpy(quarters, parts, sizeof(quarters));
    const Four sum = (quarters[0] + quarters[1]) + (quarters[2] + quarters[3]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
};

// The flags of two neighbouring pixels, in the two lowest bits: those below input pixel `x`, in an even row (`below` is
// null) or in an odd one.
template <int kLanes, bool kIsOdd, typename T>
__attribute__((always_inline)) inline uint64_t two_flags(const UpsampledMaskArgsOf<T>& args, const T* x,
                                                         const T* below) {
  LaneSums<kLanes> even, odd;
  const T* const next = x + args.x.stride;
  const float* const weights = args.weights;
  const int64_t n = args.channels;
  for (int64_t c = 0; c < n; c += kMaskLanes) {
    const float* const own = weights + (kIsOdd ? 6 : 3) * n + c;  // row 2 or row 1 of the kernel
    even.add(x + c, own + n);
    odd.add(x + c, own + 2 * n);
    odd.add(next + c, own);
    if (kIsOdd && below != nullptr) {
      even.add(below + c, weights + n + c);
      odd.add(below + c, weights + 2 * n + c);
      odd.add(below + args.x.stride + c, weights + c);
    }
  }
  return static_cast<uint64_t>(even.total() + args.bias > 0.0f) |
         static_cast<uint64_t>(odd.total() + args.bias > 0.0f) << 1;
}

template <int kLanes, bool kIsOdd, typename T>
void mask_row(const UpsampledMaskArgsOf<T>& args, int64_t row) {
  const T* x = pixel_at(args.x, row / 2, 0);
  const bool has_below = kIsOdd && row / 2 + 1 < args.x_height;
  const T* below = has_below ? pixel_at(args.x, row / 2 + 1, 0) : nullptr;
  uint64_t* word = row_of(args.active, row);
  for (int64_t n = 0; n < args.x.width; ++word) {
    uint64_t bits = 0;
    for (int64_t i = 0; i < kWordPixels && n < args.x.width; i += 2, ++n, x += args.x.stride) {
      bits |= two_flags<kLanes, kIsOdd>(args, x, below) << i;
      if (has_below) below += args.x.stride;
    }
    *word = bits;
  }
}

template <int kLanes, typename T>
void upsampled_mask(const UpsampledMaskArgsOf<T>& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    if (r % 2 == 0) {
      mask_row<kLanes, false>(args, r);
    } else {
      mask_row<kLanes, true>(args, r);
    }
  }
}

}  // namespace
}  // namespace sparsesr
