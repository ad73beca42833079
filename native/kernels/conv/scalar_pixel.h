// One pixel of the scalar convolutions: everything but its products.
#pragma once

#include <type_traits>

#include "kernels/conv/cleared.h"

namespace sparsesr {
namespace {

constexpr int kMaxWidth = 16;

float activate(float value, Activation activation, float slope) {
  if (activation == Activation::kNone || !(value < 0.0f)) return value;  // NaN propagates
  return activation == Activation::kRelu ? 0.0f : value * slope;
}

float slope_of(const ConvArgs& args, int64_t output) {
  return args.slopes == nullptr ? args.slope : args.slopes[output];
}

template <typename Out>
const Out* addend_at(const NumberedMap& map, const ConvBlock& block, int32_t pixel) {
  if (map.data == nullptr) return nullptr;
  return pixel_of<const Out>(map, pixel) + block.first;
}

template <typename Out>
void store(const ConvArgs& args, const ConvBlock& block, int32_t pixel, const float* acc) {
  const auto stored = [&](float value) {
    return narrow<Out>(std::is_same_v<Out, U8> ? value + args.out_offset : value);
  };
  Out* out = pixel_of<Out>(args.out, pixel);
  const Out* residual = addend_at<Out>(args.residual, block, pixel);
  for (int64_t o = 0; o < block.valid; ++o) {
    const float value = activate(acc[o], args.activation, slope_of(args, block.first + o));
    out[block.first + o] = stored(residual == nullptr ? value : value + widen(residual[o]));
  }
  const int64_t end = written_end(args, block);
  for (int64_t c = block.first + block.valid; c < end; ++c) out[c] = stored(0.0f);
}

// `multiply_add` adds all products of an input pixel to the sums of a block.
template <typename Out, typename MultiplyAdd>
void convolve(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count, MultiplyAdd multiply_add) {
  for (int64_t n = 0; n < count; ++n) {
    float acc[kMaxWidth];
    for (int o = 0; o < kMaxWidth; ++o) acc[o] = block.bias[o];
    if (const Out* addend = addend_at<Out>(args.addend, block, out_pixels[n])) {
      for (int64_t o = 0; o < block.valid; ++o) acc[o] += widen(addend[o]);
    }
    multiply_add(args, block, in_pixels[n], acc);
    store<Out>(args, block, out_pixels[n], acc);
  }
}

}  // namespace
}  // namespace sparsesr
