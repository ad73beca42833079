// Reference channel scaling; compiled for each instruction set, with bit-identical results.
#pragma once

#include "kernels/scale_add/scale_add.h"

namespace sparsesr {
namespace {

// A number of channels known in advance saves the loop's remainder.
template <int64_t kChannels, typename T>
void scale_pixel(const T* x, const T* residual, const float* scale, int64_t some, T* out) {
  const int64_t channels = kChannels == 0 ? some : kChannels;
  // `out` may alias x or the residual, so each value is read before it is written.
  if (residual == nullptr) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) out[c] = narrow<T>(widen(x[c]) * scale[c]);
  } else {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) out[c] = narrow<T>(widen(x[c]) * scale[c] + widen(residual[c]));
  }
}

template <int64_t kChannels, typename T>
void scale_add_rows(const ScaleAddArgsOf<T>& args, int64_t begin, int64_t end) {
  const int64_t channels = args.channels;
  for (int64_t r = begin; r < end; ++r) {
    const uint64_t* const active = args.active.words == nullptr ? nullptr : row_of(args.active, r);
    for (int64_t i = 0; i < args.out.width; ++i) {
      const T* x = active == nullptr || is_set(active, i) ? pixel_at(args.x, r, i) : args.outside;
      const T* residual = args.residual.data == nullptr ? nullptr : pixel_at(args.residual, r, i);
      T* out = pixel_at(args.out, r, i);
      scale_pixel<kChannels>(x, residual, args.scale, channels, out);
      for (int64_t c = channels; c < args.out.stride; ++c) out[c] = T{};
    }
  }
}

template <typename T>
void scale_add(const ScaleAddArgsOf<T>& args, int64_t begin, int64_t end) {
  if (args.channels == 64) return scale_add_rows<64>(args, begin, end);
  if (args.channels == 32) return scale_add_rows<32>(args, begin, end);
  scale_add_rows<0>(args, begin, end);
}

}  // namespace
}  // namespace sparsesr
