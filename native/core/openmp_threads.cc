#include "core/openmp_threads.h"

#include <algorithm>
#include <atomic>

#if defined(__linux__)
#include <dlfcn.h>
#endif

#include "core/first_error.h"

namespace sparsesr {
namespace {

// GCC's entry point for a parallel region: function, argument, number of threads, flags.
using StartRegion = void(void (*)(void*), void*, unsigned, unsigned);

// Looked up on every call, because the runtime may be loaded after this module.
StartRegion* find_runtime() {
#if defined(__linux__)
  void* const library = dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  return reinterpret_cast<StartRegion*>(dlsym(library, "GOMP_parallel"));
#else
  return nullptr;
#endif
}

// Each thread takes the next part until none remain.
struct Parts {
  RangeFunction* function;
  const void* context;
  int64_t end;
  int64_t grain;
  std::atomic<int64_t> next;
  FirstError error;

  static void work(void* parts_pointer) {
    Parts& parts = *static_cast<Parts*>(parts_pointer);
    parts.error.keep([&] { parts.take(); });
  }

  void take() {
    for (int64_t first; !error.met() && (first = next.fetch_add(grain)) < end;) {
      function(context, first, std::min(first + grain, end));
    }
  }
};

}  // namespace

void run_parallel_by_openmp(int threads, int64_t begin, int64_t end, int64_t grain, RangeFunction* function,
                            const void* context) {
  StartRegion* const start = find_runtime();
  if (start == nullptr || threads == 1) return run_parallel(threads, begin, end, grain, function, context);
  Parts parts{.function = function, .context = context, .end = end, .grain = grain, .next = begin, .error = {}};
  start(&Parts::work, &parts, static_cast<unsigned>(threads), 0);
  parts.error.rethrow();
}

}  // namespace sparsesr
