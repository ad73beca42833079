// Work on the threads of the OpenMP runtime that another library of this process has loaded, such as torch. Its idle
// threads keep their cores busy for milliseconds: a second pool beside them would get half of each.
#pragma once

#include "core/threads.h"

namespace sparsesr {

// As run_parallel, which it falls back to where there is no such runtime.
void run_parallel_by_openmp(int threads, int64_t begin, int64_t end, int64_t grain, RangeFunction* function,
                            const void* context);

template <typename Body>
void parallel_for_by_openmp(int threads, int64_t begin, int64_t end, int64_t grain, const Body& body) {
  run_parallel_by_openmp(
      threads, begin, end, grain,
      [](const void* context, int64_t b, int64_t e) { (*static_cast<const Body*>(context))(b, e); }, &body);
}

}  // namespace sparsesr
