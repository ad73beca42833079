// The definition of the indirect convolution.
#include "kernels/kernels.h"

namespace sparsesr {
namespace {

constexpr int kMaxWidth = 16;  // this kernel's tile, see kernels.inc

float activate(float value, Activation activation, float slope) {
  if (activation == Activation::kNone || !(value < 0.0f)) return value;  // NaN passes
  return activation == Activation::kRelu ? 0.0f : value * slope;
}

const float* addend_at(const ConvMap& map, const ConvBlock& block, int32_t pixel) {
  return map.data == nullptr ? nullptr : map.data + (pixel + map.shift) * map.stride + block.first;
}

void multiply_add(const ConvArgs& args, const ConvBlock& block, int32_t pixel, float* acc) {
  const float* weights = block.weights;
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    for (int tap = 0; tap < args.tap_count; ++tap) {
      const float* x = input.data + (pixel + input.shift + args.tap_pixels[tap]) * input.stride;
      for (int64_t c = 0; c < input.channels; ++c, weights += kMaxWidth) {
        for (int o = 0; o < kMaxWidth; ++o) acc[o] += x[c] * weights[o];
      }
    }
  }
}

void store(const ConvArgs& args, const ConvBlock& block, int32_t pixel, const float* acc) {
  float* out = args.out.data + (pixel + args.out.shift) * args.out.stride;
  const float* residual = addend_at(args.residual, block, pixel);
  for (int64_t o = 0; o < block.valid; ++o) {
    const float value = activate(acc[o], args.activation, args.slope);
    out[block.first + o] = residual == nullptr ? value : value + residual[o];
  }
  if (!block.is_last) return;
  for (int64_t c = block.first + block.valid; c < args.out.stride; ++c) out[c] = 0.0f;
}

}  // namespace

void f32_conv_1x16__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                           const int32_t* out_pixels, int64_t count) {
  for (int64_t n = 0; n < count; ++n) {
    float acc[kMaxWidth];
    for (int o = 0; o < kMaxWidth; ++o) acc[o] = block.bias[o];
    if (const float* addend = addend_at(args.addend, block, out_pixels[n])) {
      for (int64_t o = 0; o < block.valid; ++o) acc[o] += addend[o];
    }
    multiply_add(args, block, in_pixels[n], acc);
    store(args, block, out_pixels[n], acc);
  }
}

}  // namespace sparsesr
