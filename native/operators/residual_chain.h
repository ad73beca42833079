// Training of a chain of residual blocks x + m b(m relu(a(x))) with an optional mask m of 0 and 1: the forward pass and
// all gradients except the mask's, in bf16 with fp32 sums.
#pragma once

#include <cstdint>
#include <vector>

#include "core/page_pool.h"
#include "kernels/train_conv/train_conv.h"

namespace sparsesr {

struct BatchShape {
  int64_t images;
  int64_t height;
  int64_t width;
};

// Inputs of every convolution of a batch as bordered maps, kept from the forward to the backward pass.
class ChainMaps {
 public:
  // `mask`: one byte per pixel of all images, 0 if inactive; null without a mask. It is copied.
  ChainMaps(const BatchShape& shape, int64_t channels, int64_t layers, const uint8_t* mask);

  const BatchShape& shape() const { return shape_; }
  int64_t channels() const { return channels_; }
  int64_t layers() const { return layers_; }
  Bf16* map(int64_t image, int64_t layer) const;
  const uint8_t* mask(int64_t image) const;  // null without one

 private:
  BatchShape shape_;
  int64_t channels_;
  int64_t layers_;
  PooledBytes bytes_;
  std::vector<uint8_t> mask_;
};

// Gradients of a layer: weights (channels, 3, 3, channels) and biases.
struct LayerGradients {
  float* weights;
  float* biases;
};

// Weights of one training step.
class ResidualChain {
 public:
  // Per layer (a and b of each block in turn): fp32 weights of shape (channels, 3, 3, channels), and biases.
  ResidualChain(const TrainConvKernels& kernels, int64_t channels, const std::vector<const float*>& weights,
                const std::vector<const float*>& biases, int threads);

  int64_t channels() const { return channels_; }
  int64_t layers() const { return static_cast<int64_t>(biases_.size()); }

  // `x` and `y`: (images, height, width, channels) without borders; `mask` as in ChainMaps. Returns the maps that
  // backward() needs.
  ChainMaps forward(const BatchShape& shape, const Bf16* x, Bf16* y, const uint8_t* mask, int threads) const;

  // Computes the gradients of `x` and of all layers from the gradient of `y`. The result is bit-identical for any
  // number of threads: the number of images alone determines the groups, and group sums are added in order.
  void backward(const ChainMaps& maps, const Bf16* y_gradient, Bf16* x_gradient,
                const std::vector<LayerGradients>& gradients, int threads) const;

 private:
  const Bf16* packed(int64_t layer, bool is_forward) const;

  const TrainConvKernels* kernels_;
  int64_t channels_;
  std::vector<std::vector<float>> biases_;
  std::vector<float> zeros_;
  PooledBytes packed_;  // per layer: forward, then backward
};

}  // namespace sparsesr
