// A small pool instead of OpenMP: no second OpenMP runtime beside the one that other packages bring, safe
// after fork(), and concurrent callers never wait for each other.
#include "sparsesr/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace sparsesr {
namespace {

// Parts per thread: more than one, so that a thread slowed by other programs does not hold up the rest.
constexpr int64_t kPartsPerThread = 4;
// How long an idle worker looks for the next job before it sleeps: calls for one picture follow each other
// within microseconds, and waking a thread costs more than that.
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

class Pool {
 public:
  // False when the pool serves another caller.
  bool run(Job& job, int helpers) {
    const std::unique_lock busy(busy_, std::try_to_lock);
    if (!busy.owns_lock()) return false;
    {
      const std::lock_guard lock(mutex_);
      start_workers(helpers);
      job_ = &job;
      seats_.store(helpers, std::memory_order_release);
    }
    wake_.notify_all();
    job.work();
    std::unique_lock lock(mutex_);
    seats_.store(0, std::memory_order_release);  // who has not come by now is not needed any more
    done_.wait(lock, [this] { return active_ == 0; });
    job_ = nullptr;
    return true;
  }

 private:
  void start_workers(int wanted) {
    while (workers_ < wanted) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        return;  // the caller does the work of the missing thread
      }
      ++workers_;
    }
  }

  void serve() {
    for (;;) {
      for (int i = 0; i < kSpins && seats_.load(std::memory_order_acquire) == 0; ++i) pause_briefly();
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return seats_.load(std::memory_order_relaxed) > 0; });
      seats_.fetch_sub(1, std::memory_order_relaxed);
      ++active_;
      Job* job = job_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--active_ == 0) done_.notify_one();
    }
  }

  std::mutex busy_;
  std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  std::condition_variable done_;
  Job* job_ = nullptr;
  std::atomic<int> seats_{0};  // helpers that may still join the job; atomic so that workers can look at it
  int active_ = 0;
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
