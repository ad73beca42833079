#include "kernels/kernels.h"

namespace sparsesr {

void f32_scale_add__scalar(const ScaleAddArgs& args, int64_t begin, int64_t end) {
  const int64_t channels = args.channels;
  const float* scale = args.scale;
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < args.out.width; ++i) {
      const float* x = pixel_at(args.x, r, i);
      float* out = pixel_at(args.out, r, i);
      // `out` may be the buffer of x or of the residual; then each value is read before it is written.
      if (args.residual.data == nullptr) {
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; ++c) out[c] = x[c] * scale[c];
      } else {
        const float* residual = pixel_at(args.residual, r, i);
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; ++c) out[c] = x[c] * scale[c] + residual[c];
      }
      for (int64_t c = channels; c < args.out.stride; ++c) out[c] = 0.0f;
    }
  }
}

}  // namespace sparsesr
