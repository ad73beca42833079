// A plain kernel that better ones leave a pair of types to.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

ConvKernel f32_bf16_conv_1x16__scalar;

}  // namespace sparsesr
