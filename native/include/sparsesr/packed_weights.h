// Convolution weights in the order in which a kernel reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <vector>

#include "sparsesr/kernel_types.h"

namespace sparsesr {

constexpr std::align_val_t kVectorAlignment{64};

struct AlignedDelete {
  void operator()(float* values) const { ::operator delete[](values, kVectorAlignment); }
};

// Weights and biases of all blocks of outputs. Movable; the blocks point into `values`.
struct PackedWeights {
  std::unique_ptr<float[], AlignedDelete> values;
  size_t value_count = 0;
  std::vector<ConvBlock> blocks;
};

// weight_at(o, k): weight of output o at step k of the sum, k counting inputs, taps and channels in the
// order in which the kernel visits them. `bias` may be null. Blocks are up to `tile_outputs` wide.
PackedWeights pack_weights(int64_t outputs, int64_t steps, int64_t tile_outputs, const float* bias,
                           const std::function<float(int64_t o, int64_t k)>& weight_at);

}  // namespace sparsesr
