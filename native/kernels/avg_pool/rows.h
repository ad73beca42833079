// Reference 2x2 mean; compiled for each instruction set, with bit-identical results.
#pragma once

#include "kernels/avg_pool/avg_pool.h"

namespace sparsesr {
namespace {

// A stride known in advance saves the loop over channels.
template <int64_t kStride, typename T>
void avg_pool_of_stride(const AvgPoolArgsOf<T>& args, int64_t begin, int64_t end) {
  const int64_t stride = kStride == 0 ? args.out.stride : kStride;
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t x = 0; x < args.out.width; ++x) {
      const T* top = pixel_at(args.x, 2 * r, 2 * x);
      const T* bottom = pixel_at(args.x, 2 * r + 1, 2 * x);
      T* out = pixel_at(args.out, r, x);
#pragma GCC ivdep
      for (int64_t c = 0; c < stride; ++c) {
        const float sum =
            widen(top[c]) + widen(top[c + stride]) + widen(bottom[c]) + widen(bottom[c + stride]);
        out[c] = narrow<T>(sum * 0.25f);
      }
    }
  }
}

template <typename T>
void avg_pool(const AvgPoolArgsOf<T>& args, int64_t begin, int64_t end) {
  if (args.out.stride == 16) return avg_pool_of_stride<16>(args, begin, end);
  avg_pool_of_stride<0>(args, begin, end);
}

}  // namespace
}  // namespace sparsesr
