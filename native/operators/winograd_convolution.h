// Winograd's convolutions, and gradients of their weights, at lists of tiles: what the chains trained in fp32 share.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/instruction_set.h"
#include "core/page_pool.h"
#include "operators/gradient_groups.h"
#include "operators/winograd_maps.h"

namespace sparsesr {

struct KernelTable;

// Transformed weights of a chain's convolutions and of their input gradients, for one step.
class WinogradWeights {
 public:
  // Per layer weights of shape (channels, 3, 3, channels), outputs first.
  WinogradWeights(Isa isa, int64_t channels, const std::vector<const float*>& weights, int threads);

  Isa isa() const { return isa_; }
  int64_t channels() const { return channels_; }
  int64_t layers() const { return layers_; }
  const float* forward(int64_t layer) const;
  const float* backward(int64_t layer) const;
  const float* no_bias() const { return zeros_.data(); }

  // Sums of gradients for all layers and groups of images; zero.
  std::unique_ptr<const GradientSumsBuffer> new_sums(int64_t images) const;
  // Writes the gradients of the weights from the sums of WinogradWorker::add_gradients.
  void give(const GradientSums& sums, const std::vector<float*>& gradients, int threads) const;

 private:
  Isa isa_;
  int64_t channels_;
  int64_t layers_;
  PooledBytes bytes_;
  std::vector<float> zeros_;
};

// One call of a convolution; see WinogradOutputArgs.
struct WinogradCall {
  const float* weights;
  const float* in;
  const float* bias;
  WinogradFinish finish;
  const float* other;
  float* out;
};

// Work on maps of one shape, with the memory of one thread.
class WinogradWorker {
 public:
  WinogradWorker(Isa isa, const TiledShape& shape);

  void convolve(const WinogradCall& call, const Tiles& tiles) const;

  // Adds the gradients of a layer's weights and biases to the sums of a group. Both maps are zero outside the image.
  void add_gradients(const float* in, const float* out_gradient, const Tiles& tiles, const GradientSums& to,
                     int64_t layer, int64_t group) const;

 private:
  float* points() const { return reinterpret_cast<float*>(bytes_.get()); }
  float* gradients() const { return points() + points_size_; }
  float* sums() const { return gradients() + points_size_; }

  const KernelTable& kernels_;
  const TiledShape shape_;
  const int64_t points_size_;
  const PooledBytes bytes_;
};

// What the backward passes of a group of images have in common, whatever the chain; on one thread.
class WinogradBackward {
 public:
  WinogradBackward(const WinogradWeights& weights, const WinogradMaps& maps, const GradientSums& sums, int64_t group)
      : weights_(weights), maps_(maps), shape_(maps.map_shape()), sums_(sums), group_(group),
        worker_(weights.isa(), shape_) {}

 protected:
  const WinogradWeights& weights() const { return weights_; }
  const WinogradMaps& maps() const { return maps_; }
  const TiledShape& shape() const { return shape_; }

  // From the gradient of a layer's result before the ReLU: adds those of its weights and biases.
  void add_gradients(int64_t image, int64_t layer, const float* result) const;
  // The gradient of the ReLU that gave the layer's input, the map of its number.
  void pass_relu(int64_t image, int64_t layer, const float* result, WinogradFinish finish, float* gradient) const;
  // Adds the gradient of the layer's input.
  void add_input(int64_t image, int64_t layer, const float* result, float* gradient) const;

 private:
  const WinogradWeights& weights_;
  const WinogradMaps& maps_;
  const TiledShape shape_;
  const GradientSums& sums_;
  const int64_t group_;
  const WinogradWorker worker_;
};

}  // namespace sparsesr
