#pragma once

#include "core/instruction_set.h"
#include "core/window.h"

namespace sparsesr {

// GFLOP/s (two per multiply-add) that `threads` threads reach in registers with the vectors of `isa` and
// `type`: the best of many short slices of each thread, summed, within about `milliseconds`.
double multiply_add_peak(Isa isa, MapType type, int threads, int milliseconds);

}  // namespace sparsesr
