// Scalar kernel of the layout with eight lanes, for types that AVX2 does not implement.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

ConvKernel f32_bf16_balanced_conv_1x8__scalar;

}  // namespace sparsesr
