// Weights of a mask whose logits are a transposed convolution, so that neither the logits nor their difference are
// stored as a map.
#pragma once

#include <cstdint>
#include <vector>

#include "core/instruction_set.h"
#include "kernels/upsampled_mask/upsampled_mask.h"

namespace sparsesr {

class UpsampledMaskWeights {
 public:
  // `weight` is [c_in][2][3][3]; `bias` may be null.
  UpsampledMaskWeights(const float* weight, const float* bias, int64_t c_in, Isa isa);

  int64_t c_in() const { return c_in_; }
  size_t nbytes() const { return weights_.size() * sizeof(float); }
  Isa isa() const { return isa_; }

  // Finds the active pixels of rows [begin, end) of `active`.
  void find(const AnyWindow& x, int64_t x_height, float bias, const PixelBits& active, int64_t begin,
            int64_t end) const;

 private:
  int64_t c_in_;
  int64_t channels_;  // padded
  Isa isa_;
  float bias_;
  std::vector<float> weights_;
};

}  // namespace sparsesr
