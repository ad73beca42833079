// Convolution weights as whole numbers, for inputs of type U8.
//
// Symmetric, with one scale per output: weight * scale of its input = value * scale of the output, value -127..127. The
// scales of the inputs, which weights must already contain, thus do not appear in the sums. AVX2 without VNNI adds two
// products in 16 bits (int8_steps_avx2.h), so scales are large enough for any two of them to fit.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv/packed_weights.h"

namespace sparsesr {

class QuantisedWeights {
 public:
  explicit QuantisedWeights(const ConvWeights& weights);

  // Terms of the sums; `weight_at` gives whole numbers, as long as this object exists.
  ConvSum sum() const;
  const std::vector<float>& scales() const { return scales_; }
  // Minus the sum that inputs of zero would give: what inputs' zeros, which are not 0, add to every sum.
  const std::vector<int32_t>& starts() const { return starts_; }

 private:
  void quantise(int64_t output, const ConvSum& sum);

  std::vector<int64_t> tap_channels_;
  std::vector<size_t> tap_places_;  // of each tap's first channel among the terms
  size_t terms_ = 0;
  std::vector<int8_t> values_;  // [output][term]
  std::vector<float> scales_;
  std::vector<int32_t> starts_;
};

}  // namespace sparsesr
