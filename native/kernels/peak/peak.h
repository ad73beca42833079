// Independent multiply-adds in registers, to measure how many the processor can do.
#pragma once

#include <cstdint>

namespace sparsesr {

struct PeakRun {
  double flops;  // two per multiply-add
  float sink;    // depends on all of them, so that none is left out
};
using PeakKernel = PeakRun(int64_t iterations);

}  // namespace sparsesr
