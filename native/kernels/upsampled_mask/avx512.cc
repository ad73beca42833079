#include "kernels/upsampled_mask/rows.h"

namespace sparsesr {

void f32_upsampled_mask__avx512(const UpsampledMaskArgsOf<float>& args, int64_t begin, int64_t end) {
  upsampled_mask<16>(args, begin, end);
}

void bf16_upsampled_mask__avx512(const UpsampledMaskArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  upsampled_mask<16>(args, begin, end);
}

}  // namespace sparsesr
