#include "operators/winograd_residual_chain.h"

#include "core/openmp_threads.h"

namespace sparsesr {
namespace {

// Backward pass of the images of a group, one after the other; an image's gradients stay in the thread's caches.
class GroupBackward : WinogradBackward {
 public:
  GroupBackward(const WinogradWeights& weights, const WinogradMaps& maps, const GradientSums& sums, int64_t group)
      : WinogradBackward(weights, maps, sums, group),
        bytes_(pooled_bytes(static_cast<size_t>(3 * shape().size()) * sizeof(float))) {}

  void pass_image(int64_t image, const float* y_gradient, float* x_gradient) const {
    shape().take(y_gradient + image * shape().plain_size(), gradient());
    if (!maps().tiles(image).are_all_pixels_active()) shape().clear(branch_copy());
    shape().clear(hidden_gradient());
    for (int64_t layer = weights().layers() - 2; layer >= 0; layer -= 2) pass_block(image, layer);
    shape().give(gradient(), x_gradient + image * shape().plain_size());
  }

 private:
  float* at(int64_t map) const { return reinterpret_cast<float*>(bytes_.get()) + map * shape().size(); }
  float* gradient() const { return at(0); }
  float* hidden_gradient() const { return at(1); }
  float* branch_copy() const { return at(2); }

  // Backward pass of the block whose first layer is `layer`.
  void pass_block(int64_t image, int64_t layer) const {
    const float* const branch_gradient = masked_gradient(maps().tiles(image));
    pass_relu(image, layer + 1, branch_gradient, WinogradFinish::kKept, hidden_gradient());
    add_gradients(image, layer + 1, branch_gradient);
    add_gradients(image, layer, hidden_gradient());
    add_input(image, layer, hidden_gradient(), gradient());
  }

  // Gradient of a block's output as seen by its branch: zero at inactive pixels.
  const float* masked_gradient(const TrainedTiles& tiles) const {
    if (tiles.are_all_pixels_active()) return gradient();
    shape().copy(gradient(), tiles.active(), branch_copy());
    return branch_copy();
  }

  const PooledBytes bytes_;
};

}  // namespace

WinogradResidualChain::WinogradResidualChain(Isa isa, int64_t channels, const std::vector<const float*>& weights,
                                             const std::vector<const float*>& biases, int threads)
    : weights_(isa, channels, weights, threads) {
  for (const float* bias : biases) biases_.emplace_back(bias, bias + channels);
}

void WinogradResidualChain::pass_block(const WinogradWorker& worker, const WinogradMaps& maps, int64_t image,
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
  worker.convolve({weights_.forward(layer), input, bias(layer), WinogradFinish::kRelu, nullptr, hidden},
                  tiles.active());
  worker.convolve({weights_.forward(layer + 1), hidden, bias(layer + 1), WinogradFinish::kAdd, input, output},
                  tiles.active());
}

WinogradMaps WinogradResidualChain::forward(const BatchShape& shape, const float* x, float* y, const uint8_t* mask,
                                            int threads) const {
  WinogradMaps maps(shape, channels(), layers(), mask);
  const TiledShape map = maps.map_shape();
  parallel_for_by_openmp(threads, 0, shape.images, 1, [&](int64_t begin, int64_t end) {
    const WinogradWorker worker(weights_.isa(), map);
    const PooledBytes last = pooled_bytes(static_cast<size_t>(map.size()) * sizeof(float));
    auto* const output = reinterpret_cast<float*>(last.get());
    for (int64_t image = begin; image < end; ++image) {
      map.take(x + image * map.plain_size(), maps.map(image, 0));
      for (int64_t layer = 0; layer < layers(); layer += 2) {
        pass_block(worker, maps, image, layer, layer + 2 < layers() ? maps.map(image, layer + 2) : output);
      }
      map.give(output, y + image * map.plain_size());
    }
  });
  return maps;
}

void WinogradResidualChain::backward(const WinogradMaps& maps, const float* y_gradient, float* x_gradient,
                                     const std::vector<LayerGradients>& gradients, int threads) const {
  const auto buffer = weights_.new_sums(maps.shape().images);
  const GradientSums& sums = buffer->sums();
  parallel_for_by_openmp(threads, 0, sums.groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t number = begin; number < end; ++number) {
      const Group group = group_of(maps.shape().images, sums.groups, number);
      const GroupBackward pass(weights_, maps, sums, number);
      for (int64_t image = group.begin; image < group.end; ++image) pass.pass_image(image, y_gradient, x_gradient);
    }
  });
  std::vector<float*> weights;
  for (const LayerGradients& layer : gradients) weights.push_back(layer.weights);
  weights_.give(sums, weights, threads);
  for (int64_t layer = 0; layer < layers(); ++layer) {
    add_groups(sums, layer, gradients[static_cast<size_t>(layer)].biases);
  }
}

}  // namespace sparsesr
