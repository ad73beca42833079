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

}  // namespace sparsesr::bindings
