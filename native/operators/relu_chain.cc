#include "operators/relu_chain.h"

#include <cstring>

#include "core/kernel_thread.h"
#include "core/openmp_threads.h"

namespace sparsesr {
namespace {

template <typename T>
TrainMap<T> part(const SideBySide& results, T* maps, int64_t image, int64_t layer) {
  return {maps + results.first(image, layer), results.row(), results.pixel()};
}

// Gradients of `y` and of `x`.
struct Gradients {
  const Bf16* y;
  Bf16* x;
};

// Backward pass of one group; the gradients of two layers take turns in the thread's caches.
class GroupBackward {
 public:
  GroupBackward(const ChainWeights& weights, const float* zeros, const ChainMaps& maps, const GradientSums& sums,
                int64_t number, std::byte* scratch)
      : weights_(weights), zeros_(zeros), maps_(maps), sums_(sums), number_(number), scratch_(scratch),
        shape_(bordered(maps.shape(), maps.channels())),
        side_by_side_{maps.shape(), maps.channels(), weights.layers()},
        bytes_(pooled_bytes((2 * shape_.size() + shape_.slack()) * sizeof(Bf16))) {
    // Borders are zero, and whatever kernels read beyond a map is finite.
    std::memset(bytes_.get(), 0, (2 * shape_.size() + shape_.slack()) * sizeof(Bf16));
  }

  void pass_image(int64_t image, bool is_first, const Gradients& gradients) const {
    const int64_t last = weights_.layers() - 1;
    shape_.copy(part(side_by_side_, gradients.y, image, last), shape_.pixels(gradient(last)));
    shape_.clear_where_zero(maps_.map(image, last + 1), gradient(last));
    for (int64_t layer = last; layer >= 0; --layer) {
      add_weights(image, layer, is_first);
      pass_layer(image, layer, gradients);
    }
  }

 private:
  // Of the result of a layer.
  Bf16* gradient(int64_t layer) const { return reinterpret_cast<Bf16*>(bytes_.get()) + layer % 2 * shape_.size(); }

  void add_weights(int64_t image, int64_t layer, bool is_first) const {
    TrainWeightArgs args =
        weight_args(shape_, maps_.map(image, layer), gradient(layer), sums_, layer, number_, scratch_);
    args.is_first = is_first;
    weights_.kernels().add_weight_gradient(args);
  }

  // From the gradient of a layer's result to that of the result before it, or of `x`.
  void pass_layer(int64_t image, int64_t layer, const Gradients& gradients) const {
    TrainConvArgs args = conv_args(shape_, gradient(layer), weights_.backward(layer), zeros_, scratch_);
    if (layer == 0) {
      args.finish = TrainFinish::kBias;
      args.out = shape_.plain(gradients.x + image * shape_.plain_size());
    } else {
      args.finish = TrainFinish::kAddMask;
      args.out = shape_.pixels(gradient(layer - 1));
      args.other = part(side_by_side_, gradients.y, image, layer - 1);
      args.kept = shape_.pixels(static_cast<const Bf16*>(maps_.map(image, layer)));
      args.next = maps_.map(image, layer - 1);
    }
    weights_.kernels().convolve(args);
  }

  const ChainWeights& weights_;
  const float* const zeros_;
  const ChainMaps& maps_;
  const GradientSums& sums_;
  const int64_t number_;
  std::byte* const scratch_;
  const BorderedShape shape_;
  const SideBySide side_by_side_;
  const PooledBytes bytes_;
};

}  // namespace

ChainMaps ReluChain::forward(const BatchShape& shape, const Bf16* x, Bf16* y, const uint8_t* mask, int threads) const {
  ChainMaps maps(shape, channels(), layers() + 1, mask);
  const BorderedShape map = bordered(shape, channels());
  const SideBySide results{shape, channels(), layers()};
  parallel_for_by_openmp(threads, 0, shape.images, 1, [&](int64_t begin, int64_t end) {
    const KernelThread thread(weights_.kernels().thread);
    for (int64_t image = begin; image < end; ++image) {
      for (int64_t number = 0; number <= layers(); ++number) map.clear_border(maps.map(image, number));
      map.take(x + image * map.plain_size(), maps.map(image, 0));
      for (int64_t layer = 0; layer < layers(); ++layer) {
        TrainConvArgs args =
            conv_args(map, maps.map(image, layer), weights_.forward(layer), zeros_.data(), thread.scratch());
        args.finish = TrainFinish::kRelu;
        args.out = map.pixels(maps.map(image, layer + 1));
        weights_.kernels().convolve(args);
        if (mask != nullptr) map.clear_inactive(args.out, maps.mask(image));
        map.copy({args.out.first, args.out.row, args.out.pixel}, part(results, y, image, layer));
      }
    }
  });
  return maps;
}

void ReluChain::backward(const ChainMaps& maps, const Bf16* y_gradient, Bf16* x_gradient,
                         const std::vector<float*>& gradients, int threads) const {
  const GradientSumsBuffer buffer(maps.shape().images, layers(), weights_.size(), channels());
  const GradientSums& sums = buffer.sums();
  parallel_for_by_openmp(threads, 0, sums.groups, 1, [&](int64_t begin, int64_t end) {
    const KernelThread thread(weights_.kernels().thread);
    for (int64_t number = begin; number < end; ++number) {
      const Group group = group_of(maps.shape().images, sums.groups, number);
      const GroupBackward pass(weights_, zeros_.data(), maps, sums, number, thread.scratch());
      for (int64_t image = group.begin; image < group.end; ++image) {
        pass.pass_image(image, image == group.begin, {y_gradient, x_gradient});
      }
    }
  });
  weights_.give(sums, gradients, threads);
}

}  // namespace sparsesr
