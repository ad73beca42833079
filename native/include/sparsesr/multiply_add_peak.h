#pragma once

#include "sparsesr/cpu_features.h"

namespace sparsesr {

// GFLOP/s (two per multiply-add) that `threads` threads reach in registers with the vectors of `isa`:
// the best of many short slices of each thread, summed, within about `milliseconds`.
double multiply_add_peak(Isa isa, int threads, int milliseconds);

}  // namespace sparsesr
