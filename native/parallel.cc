// A small pool instead of OpenMP: no second OpenMP runtime beside the one that other packages bring, safe
// after fork(), and concurrent callers never wait for each other.
#include "sparsesr/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

namespace sparsesr {
namespace {

// A thread takes this share of a thread's share of what is left: large parts first, small ones at the end, so
// that all threads end together, also one that is slowed by other programs.
constexpr int64_t kPartsPerThread = 2;
// How long a thread looks for news before it sleeps: calls for one picture follow each other within
// microseconds, and waking a thread costs more than that.
constexpr int kSpins = 2000;

struct Job {
  RangeFunction* function;
  const void* context;
  int64_t end;
  int64_t grain;
  int64_t threads;
  std::atomic<int64_t> next;

  void work() {
    int64_t first = next.load(std::memory_order_relaxed);
    while (first < end) {
      const int64_t last = std::min(first + part_size(end - first), end);
      if (!next.compare_exchange_weak(first, last, std::memory_order_relaxed)) continue;
      function(context, first, last);
      first = next.load(std::memory_order_relaxed);
    }
  }

  int64_t part_size(int64_t left) const {
    const int64_t grains = left / (kPartsPerThread * threads * grain);
    return std::max<int64_t>(grains, 1) * grain;
  }
};

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Seats that helpers may still take, and helpers that are at work, in one word: both change together.
struct Crew {
  uint32_t seats;
  uint32_t active;

  static Crew of(uint32_t word) { return {word >> 16, word & 0xffff}; }
  uint32_t word() const { return seats << 16 | active; }
};

class Pool {
 public:
  // False when the pool serves another caller.
  bool run(Job& job, int helpers) {
    const std::unique_lock busy(busy_, std::try_to_lock);
    if (!busy.owns_lock()) return false;
    start_workers(helpers);
    job_.store(&job, std::memory_order_relaxed);
    crew_.store(Crew{static_cast<uint32_t>(helpers), 0}.word(), std::memory_order_release);
    crew_.notify_all();
    job.work();
    wait_for_helpers();
    return true;
  }

 private:
  void start_workers(int wanted) {
    for (; workers_ < wanted; ++workers_) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        return;  // the caller does the work of the missing thread
      }
    }
  }

  // Who has not come by now is not needed any more; who is at work still reads the job.
  void wait_for_helpers() {
    uint32_t word = crew_.fetch_and(0xffff, std::memory_order_acquire) & 0xffff;
    for (int spins = 0; word != 0; word = crew_.load(std::memory_order_acquire)) look_again(word, spins);
  }

  void serve() {
    for (int spins = 0;;) {
      const uint32_t word = crew_.load(std::memory_order_acquire);
      if (!take_seat(word)) {
        look_again(word, spins);
        continue;
      }
      spins = 0;
      job_.load(std::memory_order_relaxed)->work();
      crew_.fetch_sub(1, std::memory_order_release);
      crew_.notify_all();
    }
  }

  bool take_seat(uint32_t word) {
    const Crew crew = Crew::of(word);
    return crew.seats > 0 &&
           crew_.compare_exchange_strong(word, Crew{crew.seats - 1, crew.active + 1}.word(),
                                         std::memory_order_acquire);
  }

  // Returns soon while `spins` is low, later only when the crew is no longer `word`.
  void look_again(uint32_t word, int& spins) {
    if (++spins < kSpins) {
      pause_briefly();
    } else {
      crew_.wait(word, std::memory_order_relaxed);
    }
  }

  std::mutex busy_;  // held by the caller that the pool serves; guards workers_
  std::atomic<Job*> job_{nullptr};
  std::atomic<uint32_t> crew_{0};
  int workers_ = 0;
};

// Never destroyed: detached workers may outlive static destructors. A child process starts with a new pool,
// for the threads of the old one do not exist there.
std::atomic<Pool*> pool{nullptr};
std::once_flag pool_created;

Pool& get_pool() {
  std::call_once(pool_created, [] {
    pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] { pool = new Pool; });
  });
  return *pool.load();
}

}  // namespace

void run_parallel(int threads, int64_t begin, int64_t end, int64_t grain, RangeFunction* function,
                  const void* context) {
  if (begin >= end) return;
  const int64_t grains = (end - begin + grain - 1) / grain;
  const int64_t workers = std::min<int64_t>(threads, grains);
  if (workers <= 1) {
    function(context, begin, end);
    return;
  }
  Job job{function, context, end, grain, workers, {begin}};
  if (!get_pool().run(job, static_cast<int>(workers) - 1)) job.work();
}

}  // namespace sparsesr
