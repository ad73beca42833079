#pragma once

#include "core/instruction_set.h"
#include "core/window.h"

namespace sparsesr {

// Peak GFLOP/s (two per multiply-add) of `threads` threads computing in registers with the vectors of `isa` and `type`:
// the best of many short slices per thread, summed, measured for about `milliseconds`.
double multiply_add_peak(Isa isa, MapType type, int threads, int milliseconds);

}  // namespace sparsesr
