#include "kernels/kernels.h"

namespace sparsesr {

void f32_avg_pool__scalar(const AvgPoolArgs& args, int64_t begin, int64_t end) {
  const int64_t stride = args.out.stride;
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t x = 0; x < args.out.width; ++x) {
      const float* top = pixel_at(args.x, 2 * r, 2 * x);
      const float* bottom = pixel_at(args.x, 2 * r + 1, 2 * x);
      float* out = pixel_at(args.out, r, x);
#pragma GCC ivdep
      for (int64_t c = 0; c < stride; ++c) {
        out[c] = (top[c] + top[c + stride] + bottom[c] + bottom[c + stride]) * 0.25f;
      }
    }
  }
}

}  // namespace sparsesr
