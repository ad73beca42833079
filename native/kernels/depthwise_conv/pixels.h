// Depthwise convolution value by value: it defines the operation. Products are added column by column, like those of the
// vector kernels, but rounded before each addition.
#pragma once

#include "kernels/depthwise_conv/depthwise_conv.h"

namespace sparsesr {
namespace {

template <typename T>
float depthwise_value(const DepthwiseConvArgsOf<T>& args, const T* x, int64_t channel) {
  const int64_t stride = args.out.stride;
  const int64_t row = (args.x.width + 2) * stride;
  float sum = args.bias[channel];
  for (int64_t column = 0; column < 3; ++column) {
    for (int64_t line = 0; line < 3; ++line) {
      sum += widen(x[(line - 1) * row + (column - 1) * stride]) * args.weights[(3 * line + column) * stride + channel];
    }
  }
  if (args.activation == Activation::kNone || !(sum < 0.0f)) return sum;  // NaN propagates
  return args.activation == Activation::kRelu ? 0.0f : sum * args.slopes[channel];
}

template <typename T>
void depthwise_pixels(const DepthwiseConvArgsOf<T>& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < args.out.width; ++i) {
      const T* x = pixel_at(args.x, r, i);
      T* out = pixel_at(args.out, r, i);
      for (int64_t c = 0; c < args.out.stride; ++c) out[c] = narrow<T>(depthwise_value(args, x + c, c));
    }
  }
}

}  // namespace
}  // namespace sparsesr
