// Winograd's convolutions, and gradients of their weights, at lists of tiles.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"
#include "core/page_pool.h"
#include "operators/winograd_maps.h"

namespace sparsesr {

struct KernelTable;

// Transformed weights of a convolution and of its input gradient.
class WinogradWeights {
 public:
  // `weights`: (channels, 3, 3, channels), outputs first.
  WinogradWeights(Isa isa, const float* weights, int64_t channels);

  const float* forward() const { return reinterpret_cast<const float*>(bytes_.get()); }
  const float* backward() const { return forward() + size_; }

 private:
  int64_t size_;
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

  // Adds gradients: `weights` are [3][3][inputs][outputs]. Both maps must be zero outside the image.
  void add_gradients(const float* in, const float* out_gradient, const Tiles& tiles, float* weights,
                     float* biases) const;

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
