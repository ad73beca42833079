#include "operators/sparse_chain.h"

#include <cstring>

#include "core/kernel_table.h"
#include "core/openmp_threads.h"
#include "operators/gradient_groups.h"

namespace sparsesr {
namespace {

constexpr int64_t kTaps = 9;

// Geometry of maps: zero columns on both sides, zero rows above and below. Sizes are in values.
struct MapShape {
  int64_t height;
  int64_t width;
  int64_t channels;

  int64_t row() const { return (width + 2) * channels; }
  int64_t size() const { return (height + 2) * row(); }
  int64_t plain_row() const { return width * channels; }
  int64_t plain_size() const { return height * plain_row(); }

  AnyWindow window(float* map) const { return {map, -1, height + 2, width, channels, MapType::kF32}; }
  float* pixel(float* map, int32_t number) const { return map + row() + number * channels; }

  void clear(float* map) const { std::memset(map, 0, static_cast<size_t>(size()) * sizeof(float)); }

  void clear_border(float* map) const {
    const auto clear = [](float* from, int64_t count) {
      std::memset(from, 0, static_cast<size_t>(count) * sizeof(float));
    };
    clear(map, row() + channels);
    for (int64_t y = 1; y < height; ++y) clear(map + (y + 1) * row() - channels, 2 * channels);
    clear(map + (height + 1) * row() - channels, row() + channels);
  }

  void take(const float* plain, float* map) const {
    for (int64_t y = 0; y < height; ++y) {
      std::memcpy(map + (y + 1) * row() + channels, plain + y * plain_row(), plain_row() * sizeof(float));
    }
  }

  void give(const float* map, float* plain) const {
    for (int64_t y = 0; y < height; ++y) {
      std::memcpy(plain + y * plain_row(), map + (y + 1) * row() + channels, plain_row() * sizeof(float));
    }
  }
};

MapShape map_shape(const BatchShape& shape, int64_t channels) { return {shape.height, shape.width, channels}; }

// (outputs, 3, 3, inputs) to (outputs, inputs, 3, 3); if `is_backward` to (inputs, outputs, 3, 3) with mirrored taps.
std::vector<float> reordered(const float* weights, int64_t channels, bool is_backward) {
  std::vector<float> to(static_cast<size_t>(kTaps * channels * channels));
  for (int64_t o = 0; o < channels; ++o) {
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      for (int64_t i = 0; i < channels; ++i) {
        const int64_t place =
            is_backward ? (i * channels + o) * kTaps + kTaps - 1 - tap : (o * channels + i) * kTaps + tap;
        to[static_cast<size_t>(place)] = *weights++;
      }
    }
  }
  return to;
}

PackedConv packed(const float* weights, const float* bias, int64_t channels, bool is_backward, Isa isa) {
  const std::vector<float> values = reordered(weights, channels, is_backward);
  return PackedConv(values.data(), bias, channels, channels, 3, {channels}, MapType::kF32, {}, isa);
}

ConvCall call_of(const PackedConv& conv, const AnyWindow& in, const AnyWindow& out) {
  ConvCall call;
  call.conv = &conv;
  call.inputs = {in};
  call.out = out;
  return call;
}

// At pixels whose inputs are all needed.
void convolve(const ConvCall& call, TrainedPixels::Pixels pixels) {
  const ConvRun run(call);
  ConvWorker(run).at(pixels);
}

// Where inputs outside the mask are zero.
void convolve_masked(ConvCall call, const PixelsByTaps& pixels) {
  call.always = {0};
  const ConvRun run(call);
  ConvWorker(run).at_sorted(pixels.pixels, pixels.taps);
}

// Backward pass of one image; its gradients stay in the thread's caches.
class ImageBackward {
 public:
  ImageBackward(Isa isa, const SparseChainMaps& maps, const GradientSums& sums, int64_t group)
      : kernel_(kernel_table(isa).weight_gradient.run), maps_(maps),
        shape_(map_shape(maps.shape(), maps.channels())), sums_(sums), group_(group),
        bytes_(pooled_bytes(static_cast<size_t>(3 * shape_.size()) * sizeof(float))) {}

  void start(int64_t image, const float* gradients) {
    image_ = image;
    shape_.clear_border(gradient());
    shape_.take(gradients + image * shape_.plain_size(), gradient());
    if (!pixels().are_all_active()) shape_.clear(branch_copy());
    shape_.clear(hidden_gradient());
  }

  void give(float* gradients) const { shape_.give(gradient(), gradients + image_ * shape_.plain_size()); }

  // Backward pass of the block whose first layer is `layer`.
  void pass_block(int64_t layer, const PackedConv& a, const PackedConv& b) const {
    float* const input = maps_.map(image_, layer);
    float* const hidden = maps_.map(image_, layer + 1);
    float* const branch_gradient = masked_gradient();
    convolve_masked(call_of(b, shape_.window(branch_gradient), shape_.window(hidden_gradient())),
                    pixels().active_by_taps());
    clear_where_zero(hidden);
    add_weights(hidden, branch_gradient, layer + 1, true);
    add_weights(input, hidden_gradient(), layer, false);
    ConvCall to_input = call_of(a, shape_.window(hidden_gradient()), shape_.window(gradient()));
    to_input.residual = to_input.out;
    convolve_masked(to_input, pixels().reached_by_taps());
  }

 private:
  float* at(int64_t map) const { return reinterpret_cast<float*>(bytes_.get()) + map * shape_.size(); }
  float* gradient() const { return at(0); }
  float* hidden_gradient() const { return at(1); }
  float* branch_copy() const { return at(2); }
  const TrainedPixels& pixels() const { return maps_.pixels(image_); }

  // Gradient of a block's output as seen by its branch: zero at inactive pixels.
  float* masked_gradient() const {
    if (pixels().are_all_active()) return gradient();
    for (const int32_t pixel : pixels().active()) {
      std::memcpy(shape_.pixel(branch_copy(), pixel), shape_.pixel(gradient(), pixel),
                  static_cast<size_t>(shape_.channels) * sizeof(float));
    }
    return branch_copy();
  }

  // Gradient of ReLU: none where its result is zero.
  void clear_where_zero(float* hidden) const {
    for (const int32_t pixel : pixels().active()) {
      const float* const result = shape_.pixel(hidden, pixel);
      float* const to = shape_.pixel(hidden_gradient(), pixel);
      for (int64_t c = 0; c < shape_.channels; ++c) to[c] = result[c] > 0.0f ? to[c] : 0.0f;
    }
  }

  // `is_masked`: the input is zero at inactive pixels, so they add nothing.
  void add_weights(float* in, float* gradient, int64_t layer, bool is_masked) const {
    const int64_t channels = shape_.channels;
    float* const sums = sums_.weights_of(layer, group_);
    for (int64_t chunk = 0; chunk < pixels().chunks(); ++chunk) {
      for (unsigned tap = 0; tap < TrainedPixels::kTaps; ++tap) {
        const int64_t dy = static_cast<int64_t>(tap / 3) - 1;
        const int64_t dx = static_cast<int64_t>(tap % 3) - 1;
        const int64_t shift = dy * shape_.row() + dx * channels;
        const WeightGradientArgs args{shape_.pixel(in, 0) + shift, shape_.pixel(gradient, 0), channels, channels,
                                      sums + tap * channels * channels};
        const auto some = is_masked ? pixels().chunk(chunk, tap) : pixels().chunk(chunk);
        kernel_(args, some.data(), static_cast<int64_t>(some.size()));
      }
    }
    float* const bias = sums_.biases_of(layer, group_);
    for (const int32_t pixel : pixels().active()) {
      const float* const from = shape_.pixel(gradient, pixel);
      for (int64_t c = 0; c < channels; ++c) bias[c] += from[c];
    }
  }

  WeightGradientKernel* const kernel_;
  const SparseChainMaps& maps_;
  const MapShape shape_;
  const GradientSums& sums_;
  const int64_t group_;
  const PooledBytes bytes_;
  int64_t image_ = 0;
};

// Adds the groups of a layer and reorders [tap][input][output] to (outputs, 3, 3, inputs).
void give_weights(const GradientSums& sums, int64_t layer, float* weights) {
  const int64_t channels = sums.channels;
  for (int64_t group = 1; group < sums.groups; ++group) {
    for (int64_t n = 0; n < sums.weights_size; ++n) sums.weights_of(layer, 0)[n] += sums.weights_of(layer, group)[n];
  }
  const float* from = sums.weights_of(layer, 0);
  for (int64_t tap = 0; tap < kTaps; ++tap) {
    for (int64_t i = 0; i < channels; ++i) {
      for (int64_t o = 0; o < channels; ++o) weights[(o * kTaps + tap) * channels + i] = *from++;
    }
  }
}

}  // namespace

SparseChainMaps::SparseChainMaps(const BatchShape& shape, int64_t channels, int64_t layers, const uint8_t* mask,
                                 int threads)
    : shape_(shape), channels_(channels), layers_(layers),
      bytes_(pooled_bytes(static_cast<size_t>(shape.images * layers * map_shape(shape, channels).size()) *
                          sizeof(float))),
      pixels_(static_cast<size_t>(shape.images)) {
  const int64_t size = shape.height * shape.width;
  parallel_for_by_openmp(threads, 0, shape.images, 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      const uint8_t* const own = mask == nullptr ? nullptr : mask + image * size;
      pixels_[static_cast<size_t>(image)] = std::make_unique<TrainedPixels>(own, shape.height, shape.width);
    }
  });
}

float* SparseChainMaps::map(int64_t image, int64_t layer) const {
  return reinterpret_cast<float*>(bytes_.get()) + (image * layers_ + layer) * map_shape(shape_, channels_).size();
}

SparseChain::SparseChain(Isa isa, int64_t channels, const std::vector<const float*>& weights,
                         const std::vector<const float*>& biases, int threads)
    : isa_(isa), channels_(channels), layers_(weights.size()) {
  parallel_for_by_openmp(threads, 0, layers(), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      layers_[i] = std::make_unique<Layer>(Layer{packed(weights[i], biases[i], channels, false, isa),
                                                 packed(weights[i], nullptr, channels, true, isa)});
    }
  });
}

void SparseChain::pass_block(const SparseChainMaps& maps, int64_t image, int64_t layer, float* output) const {
  const MapShape map = map_shape(maps.shape(), channels_);
  const TrainedPixels& pixels = maps.pixels(image);
  float* const input = maps.map(image, layer);
  float* const hidden = maps.map(image, layer + 1);
  if (pixels.are_all_active()) {
    map.clear_border(hidden);
    map.clear_border(output);
  } else {
    map.clear(hidden);
    std::memcpy(output, input, static_cast<size_t>(map.size()) * sizeof(float));
  }
  ConvCall a = call_of(layers_[static_cast<size_t>(layer)]->forward, map.window(input), map.window(hidden));
  a.activation = Activation::kRelu;
  convolve(a, pixels.active());
  ConvCall b = call_of(layers_[static_cast<size_t>(layer + 1)]->forward, map.window(hidden), map.window(output));
  b.residual = map.window(input);
  convolve_masked(b, pixels.active_by_taps());
}

SparseChainMaps SparseChain::forward(const BatchShape& shape, const float* x, float* y, const uint8_t* mask,
                                     int threads) const {
  SparseChainMaps maps(shape, channels_, layers(), mask, threads);
  const MapShape map = map_shape(shape, channels_);
  parallel_for_by_openmp(threads, 0, shape.images, 1, [&](int64_t begin, int64_t end) {
    const PooledBytes last = pooled_bytes(static_cast<size_t>(map.size()) * sizeof(float));
    for (int64_t image = begin; image < end; ++image) {
      map.clear_border(maps.map(image, 0));
      map.take(x + image * map.plain_size(), maps.map(image, 0));
      for (int64_t layer = 0; layer < layers(); layer += 2) {
        float* const next =
            layer + 2 < layers() ? maps.map(image, layer + 2) : reinterpret_cast<float*>(last.get());
        pass_block(maps, image, layer, next);
      }
      map.give(reinterpret_cast<const float*>(last.get()), y + image * map.plain_size());
    }
  });
  return maps;
}

void SparseChain::backward(const SparseChainMaps& maps, const float* y_gradient, float* x_gradient,
                           const std::vector<LayerGradients>& gradients, int threads) const {
  const GradientSumsBuffer buffer(maps.shape().images, layers(), kTaps * channels_ * channels_, channels_);
  const GradientSums& sums = buffer.sums();
  std::memset(sums.weights, 0, static_cast<size_t>(layers() * sums.groups * sums.weights_size) * sizeof(float));
  parallel_for_by_openmp(threads, 0, sums.groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t number = begin; number < end; ++number) {
      const Group group = group_of(maps.shape().images, sums.groups, number);
      ImageBackward pass(isa_, maps, sums, number);
      for (int64_t image = group.begin; image < group.end; ++image) {
        pass.start(image, y_gradient);
        for (int64_t layer = layers() - 2; layer >= 0; layer -= 2) {
          const auto i = static_cast<size_t>(layer);
          pass.pass_block(layer, layers_[i]->backward, layers_[i + 1]->backward);
        }
        pass.give(x_gradient);
      }
    }
  });
  parallel_for_by_openmp(threads, 0, layers(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t layer = begin; layer < end; ++layer) {
      give_weights(sums, layer, gradients[static_cast<size_t>(layer)].weights);
      add_groups(sums, layer, gradients[static_cast<size_t>(layer)].biases);
    }
  });
}

}  // namespace sparsesr
