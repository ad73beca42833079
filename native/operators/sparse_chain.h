// Training in fp32 of a chain of residual blocks x + m b(m relu(a(x))) with an optional mask m of 0 and 1: the forward
// pass and all gradients except the mask's. Only pixels that matter are computed: the convolutions run at lists of
// pixels, by the kernels of inference, and their weight gradients are sums over the same lists.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/page_pool.h"
#include "operators/convolution.h"
#include "operators/residual_chain.h"
#include "operators/trained_pixels.h"

namespace sparsesr {

// Inputs of every convolution of a batch, kept from the forward to the backward pass, and the pixels of each image.
class SparseChainMaps {
 public:
  // `mask`: one byte per pixel of all images, 0 if inactive; null without a mask.
  SparseChainMaps(const BatchShape& shape, int64_t channels, int64_t layers, const uint8_t* mask, int threads);

  const BatchShape& shape() const { return shape_; }
  int64_t channels() const { return channels_; }
  int64_t count() const { return layers_; }  // of maps per image
  const TrainedPixels& pixels(int64_t image) const { return *pixels_[static_cast<size_t>(image)]; }
  float* map(int64_t image, int64_t layer) const;

 private:
  BatchShape shape_;
  int64_t channels_;
  int64_t layers_;
  PooledBytes bytes_;
  std::vector<std::unique_ptr<const TrainedPixels>> pixels_;
};

// Weights of one training step.
class SparseChain {
 public:
  // Per layer (a and b of each block in turn): weights of shape (channels, 3, 3, channels), and biases.
  SparseChain(Isa isa, int64_t channels, const std::vector<const float*>& weights,
              const std::vector<const float*>& biases, int threads);
  SparseChain(SparseChain&&) = default;  // not copyable, as its packed weights

  int64_t channels() const { return channels_; }
  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }

  // `x` and `y`: (images, height, width, channels); `mask` as in SparseChainMaps. Returns the maps that backward() needs.
  SparseChainMaps forward(const BatchShape& shape, const float* x, float* y, const uint8_t* mask, int threads) const;

  // As ResidualChain::backward.
  void backward(const SparseChainMaps& maps, const float* y_gradient, float* x_gradient,
                const std::vector<LayerGradients>& gradients, int threads) const;

 private:
  struct Layer {
    PackedConv forward;
    PackedConv backward;
  };

  // Forward pass of the block whose first layer is `layer`, for one image.
  void pass_block(const SparseChainMaps& maps, int64_t image, int64_t layer, float* output) const;

  Isa isa_;
  int64_t channels_;
  std::vector<std::unique_ptr<const Layer>> layers_;
};

}  // namespace sparsesr
