#include "kernels/depthwise_conv/pixels.h"

namespace sparsesr {

void f32_depthwise_conv__scalar(const DepthwiseConvArgsOf<float>& args, int64_t begin, int64_t end) {
  depthwise_pixels(args, begin, end);
}

void bf16_depthwise_conv__scalar(const DepthwiseConvArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  depthwise_pixels(args, begin, end);
}

}  // namespace sparsesr
