#include "operators/residual_chain.h"

#include <cstring>

#include "core/kernel_thread.h"
#include "core/openmp_threads.h"

namespace sparsesr {
namespace {

// Backward pass of one group; all its gradients stay in the thread's caches.
class GroupBackward {
 public:
  GroupBackward(const TrainConvKernels& kernels, const ChainMaps& maps, const GradientSums& sums, Group group,
                int64_t number, std::byte* scratch)
      : kernels_(kernels), maps_(maps), shape_(bordered(maps.shape(), maps.channels())), sums_(sums), group_(group),
        number_(number), scratch_(scratch),
        bytes_(pooled_bytes((map_count() * shape_.size() + shape_.slack()) * sizeof(Bf16))) {
    for (int64_t map = 0; map < map_count(); ++map) shape_.clear_border(at(map));
    std::memset(at(map_count()), 0, shape_.slack() * sizeof(Bf16));
  }

  void take(const Bf16* gradients) const {
    for (int64_t i = group_.begin; i < group_.end; ++i) {
      shape_.take(gradients + i * shape_.plain_size(), of_image(i));
    }
  }

  void give(Bf16* gradients) const {
    for (int64_t i = group_.begin; i < group_.end; ++i) {
      shape_.give(of_image(i), gradients + i * shape_.plain_size());
    }
  }

  // Backward pass of the block whose first layer is `layer`, for one image.
  void pass_block(int64_t image, int64_t layer, const Bf16* a, const Bf16* b, const float* zeros) const {
    Bf16* const gradient = of_image(image);
    const Bf16* const branch_gradient = masked(gradient, image);
    const Bf16* const input = maps_.map(image, layer);
    const Bf16* const hidden = maps_.map(image, layer + 1);
    // Hidden features of inactive pixels are zero, and so are their gradients, as after any ReLU.
    TrainConvArgs to_hidden = conv_args(shape_, branch_gradient, b, zeros, scratch_);
    to_hidden.finish = TrainFinish::kMask;
    to_hidden.out = shape_.pixels(hidden_gradient());
    to_hidden.kept = shape_.pixels(hidden);
    to_hidden.next = input;
    kernels_.convolve(to_hidden);
    add_weights(hidden, branch_gradient, image, layer + 1);
    add_weights(input, hidden_gradient(), image, layer);
    TrainConvArgs to_input = conv_args(shape_, hidden_gradient(), a, zeros, scratch_);
    to_input.finish = TrainFinish::kAdd;
    to_input.out = shape_.pixels(gradient);
    to_input.other = shape_.pixels(static_cast<const Bf16*>(gradient));
    to_input.next = next_hidden(image, layer);
    kernels_.convolve(to_input);
  }

 private:
  // Of the gradients of the images, of hidden features, and with a mask of a branch. Kernels read a little beyond a map, so
  // each is followed by one that is written before, or by the slack.
  int64_t map_count() const { return group_.end - group_.begin + (maps_.mask(0) == nullptr ? 1 : 2); }

  Bf16* at(int64_t map) const { return reinterpret_cast<Bf16*>(bytes_.get()) + map * shape_.size(); }
  Bf16* of_image(int64_t image) const { return at(image - group_.begin); }
  Bf16* hidden_gradient() const { return at(group_.end - group_.begin); }

  // Gradient of a block's output as seen by its branch: zero at inactive pixels.
  const Bf16* masked(const Bf16* gradient, int64_t image) const {
    const uint8_t* const mask = maps_.mask(image);
    if (mask == nullptr) return gradient;
    Bf16* const copy = at(group_.end - group_.begin + 1);
    std::memcpy(copy, gradient, shape_.size() * sizeof(Bf16));
    shape_.clear_inactive(shape_.pixels(copy), mask);
    return copy;
  }

  // First map that the next call of pass_block reads.
  const Bf16* next_hidden(int64_t image, int64_t layer) const {
    if (image + 1 < group_.end) return maps_.map(image + 1, layer + 1);
    return layer > 0 ? maps_.map(group_.begin, layer - 1) : nullptr;
  }

  void add_weights(const Bf16* in, const Bf16* gradient, int64_t image, int64_t layer) const {
    TrainWeightArgs args = weight_args(shape_, in, gradient, sums_, layer, number_, scratch_);
    args.is_first = image == group_.begin;
    kernels_.add_weight_gradient(args);
  }

  const TrainConvKernels& kernels_;
  const ChainMaps& maps_;
  const BorderedShape shape_;
  const GradientSums& sums_;
  const Group group_;
  const int64_t number_;
  std::byte* const scratch_;
  const PooledBytes bytes_;
};

}  // namespace

ResidualChain::ResidualChain(const TrainConvKernels& kernels, int64_t channels,
                             const std::vector<const float*>& weights, const std::vector<const float*>& biases,
                             int threads)
    : weights_(kernels, channels, weights, threads), zeros_(channels) {
  for (const float* bias : biases) biases_.emplace_back(bias, bias + channels);
}

ChainMaps ResidualChain::forward(const BatchShape& shape, const Bf16* x, Bf16* y, const uint8_t* mask,
                                 int threads) const {
  ChainMaps maps(shape, channels(), layers(), mask);
  const BorderedShape map = bordered(shape, channels());
  const TrainConvKernels& kernels = weights_.kernels();
  parallel_for_by_openmp(threads, 0, shape.images, 1, [&](int64_t begin, int64_t end) {
    const KernelThread thread(kernels.thread);
    for (int64_t image = begin; image < end; ++image) {
      for (int64_t layer = 0; layer < layers(); ++layer) map.clear_border(maps.map(image, layer));
      map.take(x + image * map.plain_size(), maps.map(image, 0));
      for (int64_t layer = 0; layer < layers(); ++layer) {
        const bool is_last = layer + 1 == layers();
        TrainConvArgs args = conv_args(map, maps.map(image, layer), weights_.forward(layer), biases_[layer].data(),
                                       thread.scratch());
        args.out = is_last ? map.plain(y + image * map.plain_size()) : map.pixels(maps.map(image, layer + 1));
        args.finish = layer % 2 == 0 ? TrainFinish::kRelu : TrainFinish::kAdd;
        args.other = map.pixels(static_cast<const Bf16*>(maps.map(image, layer / 2 * 2)));
        args.next = layer + 2 < layers() ? maps.map(image, layer + 2) : nullptr;
        args.next_is_written = true;
        kernels.convolve(args);
        if (mask == nullptr) continue;
        if (layer % 2 == 0) {
          map.clear_inactive(args.out, maps.mask(image));
        } else {
          map.copy_inactive(args.other, args.out, maps.mask(image));
        }
      }
    }
  });
  return maps;
}

void ResidualChain::backward(const ChainMaps& maps, const Bf16* y_gradient, Bf16* x_gradient,
                             const std::vector<LayerGradients>& gradients, int threads) const {
  const GradientSumsBuffer buffer(maps.shape().images, layers(), weights_.size(), channels());
  const GradientSums& sums = buffer.sums();
  const TrainConvKernels& kernels = weights_.kernels();
  parallel_for_by_openmp(threads, 0, sums.groups, 1, [&](int64_t begin, int64_t end) {
    const KernelThread thread(kernels.thread);
    for (int64_t number = begin; number < end; ++number) {
      const Group group = group_of(maps.shape().images, sums.groups, number);
      const GroupBackward pass(kernels, maps, sums, group, number, thread.scratch());
      pass.take(y_gradient);
      for (int64_t layer = layers() - 2; layer >= 0; layer -= 2) {
        for (int64_t image = group.begin; image < group.end; ++image) {
          pass.pass_block(image, layer, weights_.backward(layer), weights_.backward(layer + 1), zeros_.data());
        }
      }
      pass.give(x_gradient);
    }
  });
  std::vector<float*> weights;
  for (const LayerGradients& layer : gradients) weights.push_back(layer.weights);
  weights_.give(sums, weights, threads);
  for (int64_t layer = 0; layer < layers(); ++layer) add_groups(sums, layer, gradients[layer].biases);
}

}  // namespace sparsesr
