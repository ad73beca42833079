// Scalar kernels that vector layouts use for type pairs they do not implement.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

ConvKernel f32_bf16_conv_1x16__scalar;
ConvKernel u8_bf16_conv_1x16__scalar;

}  // namespace sparsesr
