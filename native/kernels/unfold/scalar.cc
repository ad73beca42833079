#include "kernels/unfold/unfold.h"

namespace sparsesr {

// Columns and rows outside the image are zero in every window.
void f32_unfold__scalar(const UnfoldArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < args.out.width; ++i) {
      float* out = pixel_at(args.out, r, i);
      for (int64_t tap = 0; tap < kNeighbourhood; ++tap) {
        const float* x = pixel_at(args.x, r + tap / 3 - 1, i + tap % 3 - 1);
        for (int64_t c = 0; c < args.channels; ++c) out[c * kNeighbourhood + tap] = x[c];
      }
      for (int64_t c = args.channels * kNeighbourhood; c < args.out.stride; ++c) out[c] = 0.0f;
    }
  }
}

}  // namespace sparsesr
