#include "operators/winograd_chain.h"

#include <cstring>

#include "core/openmp_threads.h"
#include "operators/gradient_groups.h"

namespace sparsesr {
namespace {

constexpr int64_t kTaps = 9;

// Backward pass of the images of a group, one after the other; an image's gradients stay in the thread's caches.
class GroupBackward {
 public:
  GroupBackward(Isa isa, const WinogradChainMaps& maps, const GradientSums& sums, int64_t group)
      : worker_(isa, maps.map_shape()), maps_(maps), shape_(maps.map_shape()), sums_(sums), group_(group),
        bytes_(pooled_bytes(static_cast<size_t>(3 * shape_.size()) * sizeof(float))) {}

  void start(int64_t image, const float* gradients) {
    image_ = image;
    shape_.clear_border(gradient());
    shape_.take(gradients + image * shape_.plain_size(), gradient());
    if (!tiles().are_all_pixels_active()) shape_.clear(branch_copy());
    shape_.clear(hidden_gradient());
  }

  void give(float* gradients) const { shape_.give(gradient(), gradients + image_ * shape_.plain_size()); }

  // Backward pass of the block whose first layer is `layer`.
  void pass_block(int64_t layer, const WinogradWeights& a, const WinogradWeights& b, const float* zeros) const {
    const float* const input = maps_.map(image_, layer);
    const float* const hidden = maps_.map(image_, layer + 1);
    const float* const branch_gradient = masked_gradient();
    worker_.convolve({b.backward(), branch_gradient, zeros, WinogradFinish::kKept, hidden, hidden_gradient()},
                     tiles().active());
    add_gradients(hidden, branch_gradient, layer + 1);
    add_gradients(input, hidden_gradient(), layer);
    worker_.convolve({a.backward(), hidden_gradient(), zeros, WinogradFinish::kAdd, gradient(), gradient()},
                     tiles().reached());
  }

 private:
  float* at(int64_t map) const { return reinterpret_cast<float*>(bytes_.get()) + map * shape_.size(); }
  float* gradient() const { return at(0); }
  float* hidden_gradient() const { return at(1); }
  float* branch_copy() const { return at(2); }
  const TrainedTiles& tiles() const { return maps_.tiles(image_); }

  // Gradient of a block's output as seen by its branch: zero at inactive pixels.
  const float* masked_gradient() const {
    if (tiles().are_all_pixels_active()) return gradient();
    shape_.copy(gradient(), tiles().active(), branch_copy());
    return branch_copy();
  }

  void add_gradients(const float* in, const float* out_gradient, int64_t layer) const {
    worker_.add_gradients(in, out_gradient, tiles().active(), sums_.weights_of(layer, group_),
                          sums_.biases_of(layer, group_));
  }

  const WinogradWorker worker_;
  const WinogradChainMaps& maps_;
  const TiledShape shape_;
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

WinogradChainMaps::WinogradChainMaps(const BatchShape& shape, int64_t channels, int64_t layers, const uint8_t* mask)
    : shape_(shape), channels_(channels), layers_(layers),
      bytes_(pooled_bytes(static_cast<size_t>(shape.images * layers * map_shape().size()) * sizeof(float))) {
  const int64_t size = shape.height * shape.width;
  for (int64_t image = 0; image < shape.images; ++image) {
    tiles_.emplace_back(mask == nullptr ? nullptr : mask + image * size, map_shape());
  }
}

float* WinogradChainMaps::map(int64_t image, int64_t layer) const {
  return reinterpret_cast<float*>(bytes_.get()) + (image * layers_ + layer) * map_shape().size();
}

WinogradChain::WinogradChain(Isa isa, int64_t channels, const std::vector<const float*>& weights,
                             const std::vector<const float*>& biases, int threads)
    : isa_(isa), channels_(channels), weights_(weights.size()) {
  for (const float* bias : biases) biases_.emplace_back(bias, bias + channels);
  parallel_for_by_openmp(threads, 0, layers(), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      weights_[i] = std::make_unique<const WinogradWeights>(isa, weights[i], channels);
    }
  });
}

void WinogradChain::pass_block(const WinogradWorker& worker, const WinogradChainMaps& maps, int64_t image,
                               int64_t layer, float* output) const {
  const TiledShape map = maps.map_shape();
  const TrainedTiles& tiles = maps.tiles(image);
  const float* const input = maps.map(image, layer);
  float* const hidden = maps.map(image, layer + 1);
  map.clear_border(hidden);
  map.clear(hidden, tiles.inactive());
  map.clear_border(output);
  map.copy(input, tiles.inactive(), output);
  const auto bias = [&](int64_t i) { return biases_[static_cast<size_t>(i)].data(); };
  worker.convolve({weights(layer).forward(), input, bias(layer), WinogradFinish::kRelu, nullptr, hidden},
                  tiles.active());
  worker.convolve({weights(layer + 1).forward(), hidden, bias(layer + 1), WinogradFinish::kAdd, input, output},
                  tiles.active());
}

WinogradChainMaps WinogradChain::forward(const BatchShape& shape, const float* x, float* y, const uint8_t* mask,
                                         int threads) const {
  WinogradChainMaps maps(shape, channels_, layers(), mask);
  const TiledShape map = maps.map_shape();
  parallel_for_by_openmp(threads, 0, shape.images, 1, [&](int64_t begin, int64_t end) {
    const WinogradWorker worker(isa_, map);
    const PooledBytes last = pooled_bytes(static_cast<size_t>(map.size()) * sizeof(float));
    auto* const output = reinterpret_cast<float*>(last.get());
    for (int64_t image = begin; image < end; ++image) {
      map.clear_border(maps.map(image, 0));
      map.take(x + image * map.plain_size(), maps.map(image, 0));
      for (int64_t layer = 0; layer < layers(); layer += 2) {
        pass_block(worker, maps, image, layer, layer + 2 < layers() ? maps.map(image, layer + 2) : output);
      }
      map.give(output, y + image * map.plain_size());
    }
  });
  return maps;
}

void WinogradChain::backward(const WinogradChainMaps& maps, const float* y_gradient, float* x_gradient,
                             const std::vector<LayerGradients>& gradients, int threads) const {
  const GradientSumsBuffer buffer(maps.shape().images, layers(), kTaps * channels_ * channels_, channels_);
  const GradientSums& sums = buffer.sums();
  std::memset(sums.weights, 0, static_cast<size_t>(layers() * sums.groups * sums.weights_size) * sizeof(float));
  const std::vector<float> zeros(static_cast<size_t>(channels_));
  parallel_for_by_openmp(threads, 0, sums.groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t number = begin; number < end; ++number) {
      const Group group = group_of(maps.shape().images, sums.groups, number);
      GroupBackward pass(isa_, maps, sums, number);
      for (int64_t image = group.begin; image < group.end; ++image) {
        pass.start(image, y_gradient);
        for (int64_t layer = layers() - 2; layer >= 0; layer -= 2) {
          pass.pass_block(layer, weights(layer), weights(layer + 1), zeros.data());
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
