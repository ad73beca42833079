#include "operators/winograd_relu_chain.h"

#include "core/openmp_threads.h"

namespace sparsesr {
namespace {

// Backward pass of the images of a group, one after the other; the gradients of two layers take turns in the thread's
// caches.
class GroupBackward {
 public:
  GroupBackward(const WinogradWeights& weights, const float* zeros, const WinogradMaps& maps, const GradientSums& sums,
                int64_t group)
      : weights_(weights), zeros_(zeros), maps_(maps), shape_(maps.map_shape()), worker_(weights.isa(), shape_),
        sums_(sums), group_(group), side_by_side_{maps.shape(), maps.channels(), weights.layers()},
        bytes_(pooled_bytes(static_cast<size_t>(2 * shape_.size()) * sizeof(float))) {}

  void pass_image(int64_t image, const float* y_gradient, float* x_gradient) const {
    const TrainedTiles& tiles = maps_.tiles(image);
    const int64_t last = weights_.layers() - 1;
    take_result(image, last, y_gradient);
    shape_.clear_where_zero(maps_.map(image, last + 1), gradient(last));
    for (int64_t layer = last; layer > 0; --layer) {
      worker_.add_gradients(maps_.map(image, layer), gradient(layer), tiles.active(), sums_, layer, group_);
      take_result(image, layer - 1, y_gradient);
      worker_.convolve({weights_.backward(layer), gradient(layer), zeros_, WinogradFinish::kAddKept,
                        maps_.map(image, layer), gradient(layer - 1)},
                       tiles.active());
    }
    worker_.add_gradients(maps_.map(image, 0), gradient(0), tiles.active(), sums_, 0, group_);
    shape_.clear(gradient(1));
    worker_.convolve({weights_.backward(0), gradient(0), zeros_, WinogradFinish::kAdd, gradient(1), gradient(1)},
                     tiles.reached());
    shape_.give(gradient(1), x_gradient + image * shape_.plain_size());
  }

 private:
  // Of the result of a layer.
  float* gradient(int64_t layer) const { return reinterpret_cast<float*>(bytes_.get()) + layer % 2 * shape_.size(); }

  // The part of a layer's gradient that comes from its own result; none where no tile is active.
  void take_result(int64_t image, int64_t layer, const float* y_gradient) const {
    shape_.clear_border(gradient(layer));
    shape_.take(y_gradient + side_by_side_.first(image, layer), side_by_side_.pixel(), gradient(layer));
    shape_.clear(gradient(layer), maps_.tiles(image).inactive());
  }

  const WinogradWeights& weights_;
  const float* const zeros_;
  const WinogradMaps& maps_;
  const TiledShape shape_;
  const WinogradWorker worker_;
  const GradientSums& sums_;
  const int64_t group_;
  const SideBySide side_by_side_;
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
      map.clear_border(maps.map(image, 0));
      map.take(x + image * map.plain_size(), maps.map(image, 0));
      for (int64_t layer = 0; layer < layers(); ++layer) {
        float* const out = maps.map(image, layer + 1);
        map.clear_border(out);
        map.clear(out, tiles.inactive());
        worker.convolve({weights_.forward(layer), maps.map(image, layer), zeros_.data(), WinogradFinish::kRelu,
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
      const GroupBackward pass(weights_, zeros_.data(), maps, sums, number);
      for (int64_t image = group.begin; image < group.end; ++image) pass.pass_image(image, y_gradient, x_gradient);
    }
  });
  weights_.give(sums, gradients, threads);
}

}  // namespace sparsesr
