#include "kernels/fold/fold.h"

namespace sparsesr {

// Tokens outside the image are zero in every window.
void f32_fold__scalar(const FoldArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < args.out.width; ++i) {
      float* out = pixel_at(args.out, r, i);
      for (int64_t c = 0; c < args.out.stride; ++c) out[c] = 0.0f;
      for (int64_t tap = 0; tap < kNeighbourhood; ++tap) {
        // For the token one row up and one column left, this pixel is the last tap.
        const float* x = pixel_at(args.x, r + 1 - tap / 3, i + 1 - tap % 3);
        for (int64_t c = 0; c < args.channels; ++c) out[c] += x[c * kNeighbourhood + tap];
      }
    }
  }
}

}  // namespace sparsesr
