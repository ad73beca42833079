#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

#include "core/kernel_table.h"
#include "core/threads.h"

namespace sparsesr::bindings {

// Runs a kernel over rows [r0, r1) without the GIL.
template <typename Function, typename Args>
void run_rows(const Kernel<Function>& kernel, const Args& args, int64_t r0, int64_t r1, int threads) {
  const nanobind::gil_scoped_release no_gil;
  parallel_for(threads, r0, r1, 1, [&](int64_t begin, int64_t end) { kernel.run(args, begin, end); });
}

// Runs two kernels row by row: the second one reads what the first has left in a near cache.
template <typename First, typename FirstArgs, typename Second, typename SecondArgs>
void run_rows(const Kernel<First>& first, const FirstArgs& first_args, const Kernel<Second>& second,
              const SecondArgs& second_args, int64_t r0, int64_t r1, int threads) {
  const nanobind::gil_scoped_release no_gil;
  parallel_for(threads, r0, r1, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      first.run(first_args, r, r + 1);
      second.run(second_args, r, r + 1);
    }
  });
}

}  // namespace sparsesr::bindings
