#include "operators/chain_maps.h"

#include <cstring>

#include "core/openmp_threads.h"

namespace sparsesr {

ChainMaps::ChainMaps(const BatchShape& shape, int64_t channels, int64_t count, const uint8_t* mask)
    : shape_(shape), channels_(channels), count_(count) {
  if (mask != nullptr) mask_.assign(mask, mask + shape.images * shape.height * shape.width);
  const BorderedShape map = bordered(shape, channels);
  const int64_t size = shape.images * count * map.size();
  bytes_ = pooled_bytes((size + map.slack()) * sizeof(Bf16));
  std::memset(bytes_.get() + size * sizeof(Bf16), 0, map.slack() * sizeof(Bf16));
}

Bf16* ChainMaps::map(int64_t image, int64_t number) const {
  return reinterpret_cast<Bf16*>(bytes_.get()) + (image * count_ + number) * bordered(shape_, channels_).size();
}

const uint8_t* ChainMaps::mask(int64_t image) const {
  return mask_.empty() ? nullptr : mask_.data() + image * shape_.height * shape_.width;
}

ChainWeights::ChainWeights(const TrainConvKernels& kernels, int64_t channels, const std::vector<const float*>& weights,
                           int threads)
    : kernels_(&kernels), channels_(channels), layers_(static_cast<int64_t>(weights.size())),
      packed_(pooled_bytes(2 * layers_ * size() * sizeof(Bf16))) {
  parallel_for_by_openmp(threads, 0, layers_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t layer = begin; layer < end; ++layer) {
      kernels_->pack(weights[layer], channels_, const_cast<Bf16*>(forward(layer)), const_cast<Bf16*>(backward(layer)));
    }
  });
}

void ChainWeights::give(const GradientSums& sums, const std::vector<float*>& gradients, int threads) const {
  parallel_for_by_openmp(threads, 0, layers_ * channels_, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row += 16) {
      const int64_t layer = row / channels_;
      const TrainGradientArgs args{sums.weights_of(layer, 0), sums.groups, size(), channels_, gradients[layer]};
      kernels_->unpack_gradient(args, row % channels_, row % channels_ + 16);
    }
  });
}

TrainConvArgs conv_args(const BorderedShape& shape, const Bf16* in, const Bf16* weights, const float* bias,
                        std::byte* scratch) {
  TrainConvArgs args{};
  args.in = in;
  args.in_row = shape.row();
  args.channels = shape.channels;
  args.height = shape.height;
  args.width = shape.width;
  args.weights = weights;
  args.bias = bias;
  args.scratch = scratch;
  return args;
}

TrainWeightArgs weight_args(const BorderedShape& shape, const Bf16* in, const Bf16* gradient, const GradientSums& sums,
                            int64_t layer, int64_t number, std::byte* scratch) {
  TrainWeightArgs args{};
  args.in = in;
  args.gradient = gradient + shape.first();
  args.row = shape.row();
  args.channels = shape.channels;
  args.height = shape.height;
  args.width = shape.width;
  args.sums = sums.weights_of(layer, number);
  args.bias_sums = sums.biases_of(layer, number);
  args.scratch = scratch;
  return args;
}

}  // namespace sparsesr
