// Reference implementation of the convolution of quantised maps: exact sums of whole numbers.
#include <algorithm>

#include "kernels/conv/scalar_pixel.h"
#include "kernels/conv/vector_weights.h"

namespace sparsesr {
namespace {

constexpr int kTogether = 4;  // channels

// In fours; channels beyond the last one are multiplied by zero weights.
const int8_t* add_channels(const U8* x, int64_t channels, const int8_t* weights, int32_t* acc) {
  for (int64_t c = 0; c < channels; c += kTogether, weights += kTogether * kMaxWidth) {
    for (int o = 0; o < kMaxWidth; ++o) {
      for (int i = 0; i < kTogether; ++i) acc[o] += x[c + i].bits * weights[kTogether * o + i];
    }
  }
  return weights;
}

void multiply_add(const ConvArgs& args, const ConvBlock& block, int32_t pixel, int32_t* acc) {
  const auto* weights = static_cast<const int8_t*>(block.weights);
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    for (int tap = 0; tap < args.tap_count; ++tap) {
      const U8* x = static_cast<const U8*>(input.data) + (pixel + input.shift + args.tap_pixels[tap]) * input.stride;
      weights = add_channels(x, input.channels, weights, acc);
    }
  }
}

template <typename Out>
void convolve(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count) {
  for (int64_t n = 0; n < count; ++n) {
    int32_t acc[kMaxWidth];
    std::copy_n(block.starts, kMaxWidth, acc);
    multiply_add(args, block, in_pixels[n], acc);
    float results[kMaxWidth];
    const float factor = std::is_same_v<Out, U8> ? args.out_factor : 1.0f;
    for (int o = 0; o < kMaxWidth; ++o) {
      results[o] = static_cast<float>(acc[o]) * (block.scales[o] * factor) + block.bias[o] * factor;
    }
    if (const Out* addend = addend_at<Out>(args.addend, block, out_pixels[n])) {
      for (int64_t o = 0; o < block.valid; ++o) results[o] += widen(addend[o]);
    }
    store<Out>(args, block, out_pixels[n], results);
  }
}

}  // namespace

static void u8_f32_conv_1x16__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                     const int32_t* out_pixels, int64_t count) {
  convolve<float>(args, block, in_pixels, out_pixels, count);
}

static void u8_bf16_conv_1x16__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                      const int32_t* out_pixels, int64_t count) {
  convolve<Bf16>(args, block, in_pixels, out_pixels, count);
}

static void u8_conv_1x16__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                 const int32_t* out_pixels, int64_t count) {
  convolve<U8>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels u8_conv__scalar = {
    .in = MapType::kU8,
    .needs = kNoFeatures,
    .pack = pack_vectors<int8_t, kMaxWidth, 0>,
    .suits = nullptr,
    .to = {{"u8_f32_conv_1x16__scalar", u8_f32_conv_1x16__scalar},
           {"u8_bf16_conv_1x16__scalar", u8_bf16_conv_1x16__scalar},
           {"u8_conv_1x16__scalar", u8_conv_1x16__scalar}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .leaves_taps_out = false,
    .thread = {},
};

}  // namespace sparsesr
