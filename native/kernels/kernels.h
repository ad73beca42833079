// Declares every kernel of the kernels.inc files.
#pragma once

#include "sparsesr/kernel_types.h"

namespace sparsesr {

#define SPARSESR_KERNEL(operation, Type, isa, name, param) Type name;
#include "kernels/kernels.inc"
#undef SPARSESR_KERNEL

}  // namespace sparsesr
