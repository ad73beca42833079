#include "kernels/weight_gradient/weight_gradient.h"

namespace sparsesr {

void f32_weight_gradient__scalar(const WeightGradientArgs& args, const int32_t* pixels, int64_t count) {
  for (int64_t n = 0; n < count; ++n) {
    const float* const in = args.in + pixels[n] * args.in_channels;
    const float* const gradient = args.gradient + pixels[n] * args.out_channels;
    for (int64_t i = 0; i < args.in_channels; ++i) {
      float* const sums = args.sums + i * args.out_channels;
      for (int64_t o = 0; o < args.out_channels; ++o) sums[o] += in[i] * gradient[o];
    }
  }
}

}  // namespace sparsesr
