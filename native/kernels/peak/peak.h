// Independent multiply-adds in registers, to measure the processor's peak rate.
#pragma once

#include <cstdint>

namespace sparsesr {

struct PeakRun {
  double flops;  // two per multiply-add
  float sink;    // depends on all results, so that none is optimised away
};
using PeakKernel = PeakRun(int64_t iterations);

}  // namespace sparsesr
