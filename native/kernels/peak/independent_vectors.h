// Independent accumulators for peak measurements with vector instructions.
#pragma once

#include <cstdint>
#include <type_traits>

namespace sparsesr {
namespace {

// Applies `step` to each of kVectors vectors, `iterations` times; returns a number that depends on all of them, so that
// nothing is optimised away. Using as many vectors as a kernel has accumulators hides the instruction's latency.
template <typename Vector, int kVectors, typename Step>
__attribute__((always_inline)) inline float run_independently(int64_t iterations, Step step) {
  Vector acc[kVectors];
#pragma GCC unroll 24
  for (int i = 0; i < kVectors; ++i) acc[i] = Vector{} + static_cast<std::decay_t<decltype(acc[0][0])>>(i);
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 24
    for (int i = 0; i < kVectors; ++i) acc[i] = step(acc[i]);
  }
  Vector sum = acc[0];
#pragma GCC unroll 24
  for (int i = 1; i < kVectors; ++i) sum = sum + acc[i];
  return static_cast<float>(sum[0]);
}

}  // namespace
}  // namespace sparsesr
