// Training in fp32 of a chain of residual blocks x + m b(m relu(a(x))) with an optional mask m of 0 and 1: the forward
// pass and all gradients except the mask's, by Winograd's convolutions at the tiles that hold active pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "core/page_pool.h"
#include "operators/residual_chain.h"
#include "operators/winograd_convolution.h"

namespace sparsesr {

// Inputs of every convolution of a batch, kept from the forward to the backward pass, and the tiles of each image.
class WinogradChainMaps {
 public:
  // `mask`: one byte per pixel of all images, 0 if inactive; null without a mask.
  WinogradChainMaps(const BatchShape& shape, int64_t channels, int64_t layers, const uint8_t* mask);

  const BatchShape& shape() const { return shape_; }
  int64_t channels() const { return channels_; }
  int64_t count() const { return layers_; }  // of maps per image
  TiledShape map_shape() const { return {shape_.height, shape_.width, channels_}; }
  const TrainedTiles& tiles(int64_t image) const { return tiles_[static_cast<size_t>(image)]; }
  float* map(int64_t image, int64_t layer) const;

 private:
  BatchShape shape_;
  int64_t channels_;
  int64_t layers_;
  PooledBytes bytes_;
  std::vector<TrainedTiles> tiles_;
};

// Weights of one training step.
class WinogradChain {
 public:
  // Per layer (a and b of each block in turn): weights of shape (channels, 3, 3, channels), and biases.
  WinogradChain(Isa isa, int64_t channels, const std::vector<const float*>& weights,
                const std::vector<const float*>& biases, int threads);
  WinogradChain(WinogradChain&&) = default;  // not copyable, as its weights

  int64_t channels() const { return channels_; }
  int64_t layers() const { return static_cast<int64_t>(biases_.size()); }

  // `x` and `y`: (images, height, width, channels); `mask` as in WinogradChainMaps. Returns the maps that backward()
  // needs.
  WinogradChainMaps forward(const BatchShape& shape, const float* x, float* y, const uint8_t* mask, int threads) const;

  // As ResidualChain::backward.
  void backward(const WinogradChainMaps& maps, const float* y_gradient, float* x_gradient,
                const std::vector<LayerGradients>& gradients, int threads) const;

 private:
  const WinogradWeights& weights(int64_t layer) const { return *weights_[static_cast<size_t>(layer)]; }

  // Forward pass of the block whose first layer is `layer`, for one image.
  void pass_block(const WinogradWorker& worker, const WinogradChainMaps& maps, int64_t image, int64_t layer,
                  float* output) const;

  Isa isa_;
  int64_t channels_;
  std::vector<std::unique_ptr<const WinogradWeights>> weights_;
  std::vector<std::vector<float>> biases_;
};

}  // namespace sparsesr
