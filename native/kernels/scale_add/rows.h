// Reference channel scaling; compiled for each instruction set, with bit-identical results.
#pragma once

#include "kernels/scale_add/scale_add.h"

namespace sparsesr {
namespace {

template <typename T>
void scale_add(const ScaleAddArgsOf<T>& args, int64_t begin, int64_t end) {
  const int64_t channels = args.channels;
  const float* scale = args.scale;
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < args.out.width; ++i) {
      const T* x = pixel_at(args.x, r, i);
      T* out = pixel_at(args.out, r, i);
      // `out` may alias x or the residual, so each value is read before it is written.
      if (args.residual.data == nullptr) {
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; ++c) out[c] = narrow<T>(widen(x[c]) * scale[c]);
      } else {
        const T* residual = pixel_at(args.residual, r, i);
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; ++c) {
          out[c] = narrow<T>(widen(x[c]) * scale[c] + widen(residual[c]));
        }
      }
      for (int64_t c = channels; c < args.out.stride; ++c) out[c] = T{};
    }
  }
}

}  // namespace
}  // namespace sparsesr
