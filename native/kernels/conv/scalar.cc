// Reference implementation of the indirect convolution.
#include "kernels/conv/scalar_pixel.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

const float* add_channels(const float* x, int64_t channels, const float* weights, float* acc) {
  for (int64_t c = 0; c < channels; ++c, weights += kMaxWidth) {
    for (int o = 0; o < kMaxWidth; ++o) acc[o] += x[c] * weights[o];
  }
  return weights;
}

// In pairs; an odd last channel is paired with a zero weight, and its partner is zero in every map.
const Bf16* add_channels(const Bf16* x, int64_t channels, const Bf16* weights, float* acc) {
  for (int64_t c = 0; c < channels; c += 2, weights += 2 * kMaxWidth) {
    for (int o = 0; o < kMaxWidth; ++o) {
      acc[o] += widen(x[c + 1]) * widen(weights[2 * o + 1]);
      acc[o] += widen(x[c]) * widen(weights[2 * o]);
    }
  }
  return weights;
}

template <typename In>
void multiply_add(const ConvArgs& args, const ConvBlock& block, int32_t pixel, float* acc) {
  const In* weights = static_cast<const In*>(block.weights);
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    for (int tap = 0; tap < args.tap_count; ++tap) {
      const In* x =
          static_cast<const In*>(input.data) + (pixel + input.shift + args.tap_pixels[tap]) * input.stride;
      weights = add_channels(x, input.channels, weights, acc);
    }
  }
}

}  // namespace

static void f32_conv_1x16__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                           const int32_t* out_pixels, int64_t count) {
  convolve<float>(args, block, in_pixels, out_pixels, count, multiply_add<float>);
}

static void f32_bf16_conv_1x16__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                       const int32_t* out_pixels, int64_t count) {
  convolve<Bf16>(args, block, in_pixels, out_pixels, count, multiply_add<float>);
}

static void bf16_f32_conv_1x16__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                const int32_t* out_pixels, int64_t count) {
  convolve<float>(args, block, in_pixels, out_pixels, count, multiply_add<Bf16>);
}

static void bf16_conv_1x16__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                            const int32_t* out_pixels, int64_t count) {
  convolve<Bf16>(args, block, in_pixels, out_pixels, count, multiply_add<Bf16>);
}

constinit const ConvKernels f32_conv__scalar = {
    .in = MapType::kF32,
    .needs = kNoFeatures,
    .pack = pack_vectors<float, kMaxWidth, 0>,
    .suits = nullptr,
    .to = {{"f32_conv_1x16__scalar", f32_conv_1x16__scalar},
           {"f32_bf16_conv_1x16__scalar", f32_bf16_conv_1x16__scalar}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .leaves_taps_out = false,
    .thread = {},
};

constinit const ConvKernels bf16_conv__scalar = {
    .in = MapType::kBf16,
    .needs = kNoFeatures,
    .pack = pack_vectors<Bf16, kMaxWidth, 0>,
    .suits = nullptr,
    .to = {{"bf16_f32_conv_1x16__scalar", bf16_f32_conv_1x16__scalar},
           {"bf16_conv_1x16__scalar", bf16_conv_1x16__scalar}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .leaves_taps_out = false,
    .thread = {},
};

}  // namespace sparsesr
