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

// Parts per thread: more than one, so that a thread slowed by other programs does not hold up the rest.
constexpr int64_t kPartsPerThread = 4;
// How long a thread looks for news before it sleeps: calls for one picture follow each other within
// microseconds, and waking a thread costs more than that.
constexpr int kSpins = 2000;

struct Job {
  RangeFunction* function;
  const void* context;
  int64_t begin;
  int64_t end;
  int64_t part_size;
  int64_t part_count;
  std::atomic<int64_t> next_part{0};

  void work() {
    for (int64_t part = next_part++; part < part_count; part = next_part++) {
      const int64_t first = begin + part * part_size;
      function(context, first, std::min(first + part_size, end));
    }
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
  const int64_t wanted_parts = threads > 1 ? std::min(grains, threads * kPartsPerThread) : 1;
  const int64_t part_size = (grains + wanted_parts - 1) / wanted_parts * grain;
  const int64_t part_count = (end - begin + part_size - 1) / part_size;
  if (part_count == 1) {
    function(context, begin, end);
    return;
  }
  Job job{function, context, begin, end, part_size, part_count};
  const int helpers = static_cast<int>(std::min<int64_t>(threads, part_count)) - 1;
  if (!get_pool().run(job, helpers)) job.work();
}

}  // namespace sparsesr
