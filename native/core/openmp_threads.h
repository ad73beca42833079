// Runs work on the threads of an OpenMP runtime that another library of this process, such as torch, has loaded. Its
// idle threads spin for milliseconds, so a second pool would compete with them for the cores.
#pragma once

#include "core/threads.h"

namespace sparsesr {

// Like run_parallel, which is the fallback if no such runtime is loaded.
void run_parallel_by_openmp(int threads, int64_t begin, int64_t end, int64_t grain, RangeFunction* function,
                            const void* context);

template <typename Body>
void parallel_for_by_openmp(int threads, int64_t begin, int64_t end, int64_t grain, const Body& body) {
  run_parallel_by_openmp(
      threads, begin, end, grain,
      [](const void* context, int64_t b, int64_t e) { (*static_cast<const Body*>(context))(b, e); }, &body);
}

}  // namespace sparsesr
