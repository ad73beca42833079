// Training of a chain of residual blocks x + m b(m relu(a(x))) with an optional mask m of 0 and 1: the forward pass and
// all gradients except the mask's, in bf16 with fp32 sums.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/chain_maps.h"

namespace sparsesr {

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

  int64_t channels() const { return weights_.channels(); }
  int64_t layers() const { return weights_.layers(); }

  // `x` and `y`: (images, height, width, channels) without borders; `mask` as in ChainMaps. Returns the maps that
  // backward() needs.
  ChainMaps forward(const BatchShape& shape, const Bf16* x, Bf16* y, const uint8_t* mask, int threads) const;

  // Computes the gradients of `x` and of all layers from the gradient of `y`. The result is bit-identical for any
  // number of threads: the number of images alone determines the groups, and group sums are added in order.
  void backward(const ChainMaps& maps, const Bf16* y_gradient, Bf16* x_gradient,
                const std::vector<LayerGradients>& gradients, int threads) const;

 private:
  ChainWeights weights_;
  std::vector<std::vector<float>> biases_;
  std::vector<float> zeros_;
};

}  // namespace sparsesr
