// Parallel loops over independent work.
#pragma once

#include <cstdint>

namespace sparsesr {

constexpr int kMaxThreads = 256;

using RangeFunction = void(const void* context, int64_t begin, int64_t end);

// Calls of one thread to run_parallel on several threads, since it started: after each, the threads wait for each other.
struct ThreadWaits {
  int64_t calls = 0;
  int64_t calls_ns = 0;    // from the beginning of each call to its end
  int64_t waiting_ns = 0;  // of all threads that take part: until they start, and after they have finished
};

const ThreadWaits& waits_of_this_thread();

// Splits [begin, end) into parts whose sizes are multiples of `grain` (except the last) and runs them on up to
// `threads` threads, including the caller. Returns when all are done. If `function` throws, parts that have not begun are
// left out, and the first exception is thrown here. Parts must be independent; then the result does not depend on the
// number of threads. The number of grains must fit in 32 bits, like pixel counts.
void run_parallel(int threads, int64_t begin, int64_t end, int64_t grain, RangeFunction* function,
                  const void* context);

template <typename Body>
void parallel_for(int threads, int64_t begin, int64_t end, int64_t grain, const Body& body) {
  run_parallel(
      threads, begin, end, grain,
      [](const void* context, int64_t b, int64_t e) { (*static_cast<const Body*>(context))(b, e); }, &body);
}

}  // namespace sparsesr
