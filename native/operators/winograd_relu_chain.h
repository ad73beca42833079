// Training in fp32 of a chain of convolutions f_l = m relu(w_l(f_(l-1))) all of whose maps are results, as ReluChain
// does in bf16: by Winograd's convolutions at the tiles that hold active pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/winograd_convolution.h"

namespace sparsesr {

// Weights of one training step; there are no biases.
class WinogradReluChain {
 public:
  // As WinogradWeights.
  WinogradReluChain(Isa isa, int64_t channels, const std::vector<const float*>& weights, int threads)
      : weights_(isa, channels, weights, threads) {}

  int64_t channels() const { return weights_.channels(); }
  int64_t layers() const { return weights_.layers(); }

  // As ReluChain::forward; `mask` as in WinogradMaps.
  WinogradMaps forward(const BatchShape& shape, const float* x, float* y, const uint8_t* mask, int threads) const;

  // As ReluChain::backward.
  void backward(const WinogradMaps& maps, const float* y_gradient, float* x_gradient,
                const std::vector<float*>& gradients, int threads) const;

 private:
  WinogradWeights weights_;
};

}  // namespace sparsesr
