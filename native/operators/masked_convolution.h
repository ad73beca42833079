// Convolution under a mask: complete at active pixels, reduced at inactive ones.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/convolution.h"
#include "operators/pixel_mask.h"

namespace sparsesr {

// Inactive pixels at which the last channels become constants, or a copy is made.
enum class Fill { kEverywhere, kBorder, kNowhere };

struct MaskedConvCall {
  ConvCall full;  // with `always`: channels beyond it are zero at inactive pixels, so their work is skipped
  ConvCall outside;  // from dense inputs to dense outputs; conv is null if there are none
  const PixelMask* mask = nullptr;
  Fill fill = Fill::kEverywhere;
  std::vector<float> constants;  // for the last channels of `out`
  Fill copied = Fill::kNowhere;  // with a copy of `full`, whose inactive pixels this call must not write
};

// Computes rows [r0, r1).
void masked_conv_rows(const MaskedConvCall& call, int64_t r0, int64_t r1, int threads);

}  // namespace sparsesr
