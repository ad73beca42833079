#include "operators/packed_kernel.h"

#include <algorithm>

#include "core/kernel_table.h"

namespace sparsesr {

PackedKernel::PackedKernel(Isa isa, const ConvWeights& weights)
    : kernels_(&conv_kernels(isa, weights)), packed_(kernels_->pack(weights)) {}

void PackedKernel::run(ConvArgs args, MapType out, const int32_t* in_pixels, const int32_t* out_pixels,
                       int64_t count) const {
  ConvKernel* const kernel = kernels_->to[static_cast<int>(out)].run;
  const int64_t chunk = kernels_->chunk_pixels;
  for (int64_t n = 0; n < count; n += chunk) {
    for (const ConvBlock& block : packed_.blocks) {
      kernel(args, block, in_pixels + n, out_pixels + n, std::min(chunk, count - n));
    }
    if (args.taps != nullptr) args.taps += chunk;
  }
}

}  // namespace sparsesr
