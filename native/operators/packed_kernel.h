// Convolution weights, packed for the kernels that suit them best.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/instruction_set.h"
#include "kernels/conv/packed_weights.h"

namespace sparsesr {

class PackedKernel {
 public:
  PackedKernel() = default;  // empty placeholder; must not be run
  PackedKernel(Isa isa, const ConvWeights& weights);

  const ConvKernels& kernels() const { return *kernels_; }
  size_t nbytes() const { return packed_.byte_count; }
  bool writes(MapType out) const { return kernels_->to[static_cast<int>(out)].run != nullptr; }

  // Computes all outputs, of type `out`, at any number of pixels: chunk by chunk, so that the rows around a chunk stay
  // in L2 between output blocks. The thread must be prepared for the kernels (see KernelThread).
  void run(ConvArgs args, MapType out, const int32_t* in_pixels, const int32_t* out_pixels,
           int64_t count) const;

 private:
  const ConvKernels* kernels_ = nullptr;
  PackedWeights packed_;
};

}  // namespace sparsesr
