// A convolution with its maps, for executables that run without Python.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "core/threads.h"
#include "operators/convolution.h"

namespace sparsesr {

// Random weights and a random input of height x width pixels, multiplied in fp32, bf16 or int8; the output is fp32, initially
// zero. With `kept`, the weights are balanced: so many of every 8 inputs.
class SmallConvolution {
 public:
  SmallConvolution(int64_t height, int64_t width, int64_t c_in, int64_t c_out, int kernel, Isa isa,
                   MapType in = MapType::kF32, int64_t kept = 0)
      : height_(height),
        width_(width),
        conv_(weights(c_out, c_in, kernel * kernel, kept).data(), random(c_out).data(), c_out, c_in, kernel,
              {c_in}, in, in == MapType::kU8 ? std::vector<MapSteps>{kSteps} : std::vector<MapSteps>{}, isa),
        input_(window_size(c_in)),
        output_(window_size(c_out)) {
    const int64_t stride = padded(c_in);
    for (int64_t row = 0; row < height; ++row) {
      for (int64_t x = 0; x < width; ++x) {
        const std::vector<float> pixel = random(c_in);
        std::copy(pixel.begin(), pixel.end(), input_.begin() + ((row + 1) * (width + 2) + x + 1) * stride);
      }
    }
    narrow_input();
  }

  int64_t height() const { return height_; }
  const std::vector<float>& output() const { return output_; }
  float* output_data() { return output_.data(); }

  void clear() { std::fill(output_.begin(), output_.end(), 0.0f); }

  void run_rows(int threads) { conv_rows(call(output_.data()), 0, height_, threads); }
  // Runs at the listed pixels only, numbered as in a PixelMask.
  void run_pixels(const std::vector<int32_t>& pixels, int threads) {
    const ConvRun run(call(output_.data()));
    const std::span<const int32_t> all(pixels);
    parallel_for(threads, 0, std::ssize(pixels), run.kernels().group_pixels, [&](int64_t begin, int64_t end) {
      ConvWorker(run).at(all.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    });
  }
  // Runs into memory of the caller: rows -1 to height with the output's width and stride.
  void run_rows_into(float* output, int threads) const { conv_rows(call(output), 0, height_, threads); }

  // The call behind run_pixels and run_rows_into, writing rows -1 to height of `output`.
  ConvCall call(float* output) const {
    ConvCall call;
    call.conv = &conv_;
    const void* const inputs[kMapTypes] = {input_.data(), narrowed_.data(), quantised_.data()};
    const void* input = inputs[static_cast<int>(conv_.in())];
    call.inputs = {window(const_cast<void*>(input), conv_.c_in(), conv_.in())};  // read only
    call.out = window(output, conv_.c_out(), MapType::kF32);
    call.activation = Activation::kRelu;
    return call;
  }

  InputWindow input() const { return {input_.data(), -1, height_ + 2, width_, padded(conv_.c_in())}; }

  // Clears the channels from `first` at these pixels of the input.
  void clear_input(std::span<const int32_t> pixels, int64_t first) {
    const int64_t stride = padded(conv_.c_in());
    for (const int32_t pixel : pixels) {
      const auto begin = input_.begin() + (pixel + width_ + 2) * stride;
      std::fill(begin + first, begin + stride, 0.0f);
    }
    narrow_input();
  }

  // Picks each pixel with this probability, in raster order.
  std::vector<int32_t> random_pixels(double density) {
    std::vector<int32_t> pixels;
    for (int64_t row = 0; row < height_; ++row) {
      for (int64_t x = 0; x < width_; ++x) {
        if (uniform_(generator_) >= density) continue;
        pixels.push_back(static_cast<int32_t>(row * (width_ + 2) + x + 1));
      }
    }
    return pixels;
  }

 private:
  static constexpr MapSteps kSteps{1.0f / 510.0f, 0};

  static int64_t padded(int64_t channels) { return (channels + 15) / 16 * 16; }

  size_t window_size(int64_t channels) const {
    return static_cast<size_t>((height_ + 2) * (width_ + 2) * padded(channels));
  }

  AnyWindow window(void* data, int64_t channels, MapType type) const {
    return {data, -1, height_ + 2, width_, padded(channels), type};
  }

  void narrow_input() {
    narrowed_.resize(input_.size());
    std::transform(input_.begin(), input_.end(), narrowed_.begin(), narrow<Bf16>);
    quantised_.resize(input_.size());
    std::transform(input_.begin(), input_.end(), quantised_.begin(),
                   [](float value) { return quantised(value, kSteps.factor(), kSteps.offset()); });
  }

  std::vector<float> random(int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = static_cast<float>(uniform_(generator_) - 0.5);
    return values;
  }

  std::vector<float> weights(int64_t c_out, int64_t c_in, int64_t taps, int64_t kept) {
    std::vector<float> values = random(c_out * c_in * taps);
    if (kept == 0) return values;
    for (int64_t i = 0; i < std::ssize(values); ++i) {
      // Shifts the kept places of a block by one from tap to tap and from output to output.
      const int64_t place = i / taps + i % taps + i / (taps * c_in);
      if (place % 8 >= kept) values[static_cast<size_t>(i)] = 0.0f;
    }
    return values;
  }

  std::mt19937 generator_{1};
  std::uniform_real_distribution<double> uniform_{0.0, 1.0};
  int64_t height_;
  int64_t width_;
  PackedConv conv_;
  std::vector<float> input_;
  std::vector<Bf16> narrowed_;   // the same values in bf16
  std::vector<U8> quantised_;    // in steps; negative ones become zero
  std::vector<float> output_;
};

}  // namespace sparsesr
