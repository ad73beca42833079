// Training in fp32 of a chain of residual blocks x + m b(m relu(a(x))) with an optional mask m of 0 and 1: the forward
// pass and all gradients except the mask's, by Winograd's convolutions at the tiles that hold active pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/residual_chain.h"
#include "operators/winograd_convolution.h"

namespace sparsesr {

// Weights of one training step.
class WinogradResidualChain {
 public:
  // Per layer (a and b of each block in turn): weights of shape (channels, 3, 3, channels), and biases.
  WinogradResidualChain(Isa isa, int64_t channels, const std::vector<const float*>& weights,
                        const std::vector<const float*>& biases, int threads);

  int64_t channels() const { return weights_.channels(); }
  int64_t layers() const { return weights_.layers(); }

  // `x` and `y`: (images, height, width, channels); `mask` as in WinogradMaps. Returns the maps that backward() needs:
  // the inputs of all convolutions.
  WinogradMaps forward(const BatchShape& shape, const float* x, float* y, const uint8_t* mask, int threads) const;

  // As ResidualChain::backward.
  void backward(const WinogradMaps& maps, const float* y_gradient, float* x_gradient,
                const std::vector<LayerGradients>& gradients, int threads) const;

 private:
  // Forward pass of the block whose first layer is `layer`, for one image.
  void pass_block(const WinogradWorker& worker, const WinogradMaps& maps, int64_t image, int64_t layer,
                  float* output) const;

  WinogradWeights weights_;
  std::vector<std::vector<float>> biases_;
};

}  // namespace sparsesr
