// Convolution under a mask: in full at its active pixels, less at the others.
#pragma once

#include <cstdint>
#include <vector>

#include "operators/convolution.h"
#include "operators/pixel_mask.h"

namespace sparsesr {

// At which inactive pixels the last channels become constants.
enum class Fill { kEverywhere, kBorder, kNowhere };

struct MaskedConvCall {
  ConvCall full;  // with `always`: channels behind these are zero at inactive pixels, which saves their work
  ConvCall outside;  // from dense inputs to dense outputs; conv is null without them
  const PixelMask* mask = nullptr;
  Fill fill = Fill::kEverywhere;
  std::vector<float> constants;  // of the last channels of `out`
};

// Rows [r0, r1).
void masked_conv_rows(const MaskedConvCall& call, int64_t r0, int64_t r1, int threads);

}  // namespace sparsesr
