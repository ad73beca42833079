// Reference implementation of convolutions with balanced weights, in the layout with eight lanes.
#include "kernels/balanced_conv/balanced_weights.h"
#include "kernels/conv/scalar_pixel.h"

namespace sparsesr {
namespace {

constexpr int kLanes = 8;
constexpr int kVectors = 2;

using Format = BalancedFormat<float, kLanes>;

// Position inside its block that a lane multiplies in a step of a record; `positions` are those of the tap.
int position_of(const uint8_t* positions, int64_t record, int64_t steps, int64_t step, int lane) {
  const int64_t byte = record * Format::position_bytes(steps) + step / 2;
  return positions[Format::position_offset(byte) + 4 * lane] >> step % 2 * 4 & 15;
}

// One vector of outputs at one tap of one input.
void add_records(const float* x, int64_t channels, int64_t steps, const std::byte* weights, float* acc) {
  const auto* row = reinterpret_cast<const float*>(weights);
  const auto* const positions = reinterpret_cast<const uint8_t*>(weights + Format::value_bytes(channels, steps));
  for (int64_t record = 0; record < channels / kLanes; ++record, x += kLanes) {
    for (int64_t step = 0; step < steps; ++step, row += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) {
        acc[lane] += x[position_of(positions, record, steps, step, lane)] * row[lane];
      }
    }
  }
}

void multiply_add(const ConvArgs& args, const ConvBlock& block, int32_t pixel, float* acc) {
  const int64_t vector_bytes = bytes_per_vector<kLanes>(block);
  for (int64_t first = 0; first < block.width; first += kLanes) {
    const auto* weights = static_cast<const std::byte*>(block.weights) + first / kLanes * vector_bytes;
    for (int i = 0; i < args.input_count; ++i) {
      const ConvInput& input = args.inputs[i];
      for (int tap = 0; tap < args.tap_count; ++tap) {
        const float* x =
            static_cast<const float*>(input.data) + (pixel + input.shift + args.tap_pixels[tap]) * input.stride;
        add_records(x, input.channels, block.layout_steps, weights, acc + first);
        weights += Format::tap_bytes(input.channels, block.layout_steps);
      }
    }
  }
}

}  // namespace

static void f32_balanced_conv_1x8__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                          const int32_t* out_pixels, int64_t count) {
  convolve<float>(args, block, in_pixels, out_pixels, count, multiply_add);
}

static void f32_bf16_balanced_conv_1x8__scalar(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                               const int32_t* out_pixels, int64_t count) {
  convolve<Bf16>(args, block, in_pixels, out_pixels, count, multiply_add);
}

constinit const ConvKernels f32_balanced_conv__scalar = {
    .in = MapType::kF32,
    .needs = kNoFeatures,
    .pack = pack_balanced<float, kLanes, kVectors>,
    .suits = suits_balanced<float, kLanes, Permutes::kOnePort>,
    .to = {{"f32_balanced_conv_1x8__scalar", f32_balanced_conv_1x8__scalar},
           {"f32_bf16_balanced_conv_1x8__scalar", f32_bf16_balanced_conv_1x8__scalar}},
    .group_pixels = 24,
    .chunk_pixels = 240,
    .needs_balanced = true,
    .leaves_taps_out = false,
    .thread = {},
};

}  // namespace sparsesr
