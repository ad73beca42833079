#include "core/page_pool.h"

#include <pthread.h>

#include <list>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sparsesr {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr std::align_val_t kAlignment{kHugePage};
constexpr size_t kMostKept = 8;

struct Kept {
  std::byte* bytes;
  size_t size;
};

// Last in, first out.
struct Pool {
  std::mutex mutex;
  std::list<Kept> kept;
};

// Never destroyed: memory may still be returned during process exit. A child process starts with an empty pool, since a
// thread that does not exist there may have been changing the old one.
Pool*& instance() {
  static Pool* current = [] {
    pthread_atfork(nullptr, nullptr, [] { instance() = new Pool; });
    return new Pool;
  }();
  return current;
}

Pool& pool() { return *instance(); }

void release(std::byte* bytes) { ::operator delete[](bytes, kAlignment); }

std::byte* new_pages(size_t size) {
  auto* const bytes = static_cast<std::byte*>(::operator new[](size, kAlignment));
#if defined(__linux__)
  madvise(bytes, size, MADV_HUGEPAGE);  // a hint; harmless if refused
#endif
  return bytes;
}

std::byte* take_kept(size_t size) {
  const std::lock_guard lock(pool().mutex);
  std::list<Kept>& kept = pool().kept;
  for (auto i = kept.begin(); i != kept.end(); ++i) {
    if (i->size != size) continue;
    std::byte* const bytes = i->bytes;
    kept.erase(i);
    return bytes;
  }
  return nullptr;
}

}  // namespace

void ReturnToPool::operator()(std::byte* bytes) const {
  const std::lock_guard lock(pool().mutex);
  std::list<Kept>& kept = pool().kept;
  kept.push_front({bytes, size});
  if (kept.size() <= kMostKept) return;
  release(kept.back().bytes);
  kept.pop_back();
}

PooledBytes pooled_bytes(size_t size) {
  const size_t rounded = (size + kHugePage - 1) / kHugePage * kHugePage;
  std::byte* const bytes = take_kept(rounded);
  return PooledBytes(bytes != nullptr ? bytes : new_pages(rounded), ReturnToPool{rounded});
}

}  // namespace sparsesr
