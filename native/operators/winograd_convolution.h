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

  // Sums of gradients for all layers and groups of images; zero.
  std::unique_ptr<const GradientSumsBuffer> new_sums(int64_t images) const;
  // Writes the gradients of the weights from the sums of WinogradWorker::add_gradients.
  void give(const GradientSums& sums, const std::vector<float*>& gradients, int threads) const;

 private:
  Isa isa_;
  int64_t channels_;
  int64_t layers_;
  PooledBytes bytes_;
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

}  // namespace sparsesr
