// What the training chains in bf16 share: maps of a batch, and weights packed for one step.
#pragma once

#include <cstdint>
#include <vector>

#include "core/page_pool.h"
#include "kernels/train_conv/train_conv.h"
#include "operators/batch_shape.h"
#include "operators/bordered_map.h"
#include "operators/gradient_groups.h"

namespace sparsesr {

inline BorderedShape bordered(const BatchShape& shape, int64_t channels) {
  return {shape.height, shape.width, channels};
}

// Bordered maps of a batch, kept from the forward to the backward pass.
class ChainMaps {
 public:
  // `count`: maps per image. `mask`: one byte per pixel of all images, 0 if inactive; null without a mask. It is copied.
  ChainMaps(const BatchShape& shape, int64_t channels, int64_t count, const uint8_t* mask);

  const BatchShape& shape() const { return shape_; }
  int64_t channels() const { return channels_; }
  int64_t count() const { return count_; }
  Bf16* map(int64_t image, int64_t number) const;
  const uint8_t* mask(int64_t image) const;  // null without one

 private:
  BatchShape shape_;
  int64_t channels_;
  int64_t count_;
  PooledBytes bytes_;
  std::vector<uint8_t> mask_;
};

// Weights of the convolutions of a chain, packed for both passes.
class ChainWeights {
 public:
  // Per layer: fp32 weights of shape (channels, 3, 3, channels).
  ChainWeights(const TrainConvKernels& kernels, int64_t channels, const std::vector<const float*>& weights, int threads);

  const TrainConvKernels& kernels() const { return *kernels_; }
  int64_t channels() const { return channels_; }
  int64_t layers() const { return layers_; }
  int64_t size() const { return 9 * channels_ * channels_; }  // values per layer
  const Bf16* forward(int64_t layer) const { return at(2 * layer); }
  const Bf16* backward(int64_t layer) const { return at(2 * layer + 1); }

  // Adds the groups of each layer in order, as weight gradients of shape (channels, 3, 3, channels).
  void give(const GradientSums& sums, const std::vector<float*>& gradients, int threads) const;

 private:
  const Bf16* at(int64_t part) const { return reinterpret_cast<const Bf16*>(packed_.get()) + part * size(); }

  const TrainConvKernels* kernels_;
  int64_t channels_;
  int64_t layers_;
  PooledBytes packed_;
};

// Arguments that every convolution of a bordered map needs; `bias` has one value per channel.
TrainConvArgs conv_args(const BorderedShape& shape, const Bf16* in, const Bf16* weights, const float* bias,
                        std::byte* scratch);

// Of a weight gradient: `in` and `gradient` are bordered maps; those sums of `layer` and group `number` are added to.
TrainWeightArgs weight_args(const BorderedShape& shape, const Bf16* in, const Bf16* gradient, const GradientSums& sums,
                            int64_t layer, int64_t number, std::byte* scratch);

}  // namespace sparsesr
