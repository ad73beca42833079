#include "operators/winograd_relu_chain.h"

#include "core/openmp_threads.h"

namespace sparsesr {
namespace {

// Backward pass of the images of a group, one after the other; the gradients of two layers take turns in the thread's
// caches.
class GroupBackward : WinogradBackward {
 public:
  GroupBackward(const WinogradWeights& weights, const WinogradMaps& maps, const GradientSums& sums, int64_t group)
      : WinogradBackward(weights, maps, sums, group),
        results_{maps.shape(), maps.channels(), weights.layers()},
        bytes_(pooled_bytes(static_cast<size_t>(2 * shape().size()) * sizeof(float))) {}

  void pass_image(int64_t image, const float* y_gradient, float* x_gradient) const {
    const int64_t last = weights().layers() - 1;
    take_result(image, last, y_gradient);
    shape().clear_where_zero(maps().map(image, last + 1), gradient(last));
    for (int64_t layer = last; layer > 0; --layer) {
      add_gradients(image, layer, gradient(layer));
      take_result(image, layer - 1, y_gradient);
      pass_relu(image, layer, gradient(layer), WinogradFinish::kAddKept, gradient(layer - 1));
    }
    add_gradients(image, 0, gradient(0));
    shape().clear(gradient(1));
    add_input(image, 0, gradient(0), gradient(1));
    shape().give(gradient(1), x_gradient + image * shape().plain_size());
  }

 private:
  // Of the result of a layer.
  float* gradient(int64_t layer) const { return reinterpret_cast<float*>(bytes_.get()) + layer % 2 * shape().size(); }

  // The part of a layer's gradient that comes from its own result; none where no tile is active.
  void take_result(int64_t image, int64_t layer, const float* y_gradient) const {
    shape().take(y_gradient + results_.first(image, layer), results_.pixel(), gradient(layer));
    shape().clear(gradient(layer), maps().tiles(image).inactive());
  }

  const SideBySide results_;
  const PooledBytes bytes_;
};

}  // namespace

WinogradMaps WinogradReluChain::forward(const BatchShape& shape, const float* x, float* y, const uint8_t* mask,
                                        int threads) const {
  WinogradMaps maps(shape, channels(), layers() + 1, mask);
  const TiledShape map = maps.map_shape();
  const SideBySide results{shape, channels(), layers()};
  parallel_for_by_openmp(threads, 0, shape.images, 1, [&](int64_t begin, int64_t end) {
    const WinogradWorker worker(weights_.isa(), map);
    for (int64_t image = begin; image < end; ++image) {
      const TrainedTiles& tiles = maps.tiles(image);
      map.take(x + image * map.plain_size(), maps.map(image, 0));
      for (int64_t layer = 0; layer < layers(); ++layer) {
        float* const out = maps.map(image, layer + 1);
        map.clear_border(out);
        map.clear(out, tiles.inactive());
        worker.convolve({weights_.forward(layer), maps.map(image, layer), weights_.no_bias(), WinogradFinish::kRelu,
                         nullptr, out},
                        tiles.active());
        map.give(out, y + results.first(image, layer), results.pixel());
      }
    }
  });
  return maps;
}

void WinogradReluChain::backward(const WinogradMaps& maps, const float* y_gradient, float* x_gradient,
                                 const std::vector<float*>& gradients, int threads) const {
  const auto buffer = weights_.new_sums(maps.shape().images);
  const GradientSums& sums = buffer->sums();
  parallel_for_by_openmp(threads, 0, sums.groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t number = begin; number < end; ++number) {
      const Group group = group_of(maps.shape().images, sums.groups, number);
      const GroupBackward pass(weights_, maps, sums, number);
      for (int64_t image = group.begin; image < group.end; ++image) pass.pass_image(image, y_gradient, x_gradient);
    }
  });
  weights_.give(sums, gradients, threads);
}

}  // namespace sparsesr
