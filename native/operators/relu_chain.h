// Training of a chain of convolutions f_l = m relu(w_l(f_(l-1))) all of whose maps are results, with an optional mask m of
// 0 and 1: the forward pass and all gradients except the mask's, in bf16 with fp32 sums.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/chain_maps.h"

namespace sparsesr {

// Weights of one training step; there are no biases.
class ReluChain {
 public:
  // As ChainWeights.
  ReluChain(const TrainConvKernels& kernels, int64_t channels, const std::vector<const float*>& weights, int threads)
      : weights_(kernels, channels, weights, threads), zeros_(channels) {}

  int64_t channels() const { return weights_.channels(); }
  int64_t layers() const { return weights_.layers(); }

  // `x`: (images, height, width, channels); `y`: the maps of all layers side by side, (images, height, width, layers *
  // channels); `mask` as in ChainMaps. Returns the maps that backward() needs.
  ChainMaps forward(const BatchShape& shape, const Bf16* x, Bf16* y, const uint8_t* mask, int threads) const;

  // Computes the gradients of `x` and of all weights from the gradient of `y`; bit-identical for any number of threads.
  void backward(const ChainMaps& maps, const Bf16* y_gradient, Bf16* x_gradient, const std::vector<float*>& gradients,
                int threads) const;

 private:
  ChainWeights weights_;
  std::vector<float> zeros_;
};

}  // namespace sparsesr
