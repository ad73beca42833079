// A small thread pool instead of OpenMP: it adds no second OpenMP runtime to the one that other packages load, is safe
// after fork(), and never makes concurrent callers wait for each other.
#include "core/threads.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/first_error.h"

namespace sparsesr {
namespace {

// Polls before a thread sleeps: the calls of one image follow within microseconds, and waking a thread costs more than
// that.
constexpr int kSpins = 2000;

// Remaining part of one thread's range, in grains; one word, because both ends change atomically.
class alignas(64) Share {
 public:
  void reset(int64_t first, int64_t end) { word_.store(pack(first, end), std::memory_order_relaxed); }

  struct Part {
    int64_t first, end;
  };

  // Half of the remainder: large parts first, small ones last, so that all threads finish together even if other
  // programs slow one down. The owner takes from the front, others from the back. Empty when nothing remains.
  Part take(bool from_front) {
    uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const auto first = static_cast<int64_t>(word >> 32);
      const auto end = static_cast<int64_t>(word & 0xffffffff);
      const int64_t size = (end - first + 1) / 2;
      const Part part = from_front ? Part{first, first + size} : Part{end - size, end};
      const uint64_t rest = from_front ? pack(part.end, end) : pack(first, part.first);
      if (size == 0 || word_.compare_exchange_weak(word, rest, std::memory_order_relaxed)) return part;
    }
  }

 private:
  static uint64_t pack(int64_t first, int64_t end) {
    return static_cast<uint64_t>(first) << 32 | static_cast<uint64_t>(end);
  }

  std::atomic<uint64_t> word_;
};

int64_t now_ns() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

thread_local ThreadWaits waits;

// Each thread starts with its own share, covering about the same rows of a map in every call: those are still in its
// cache. It then helps the others. (After calls with more threads, any of those may arrive, and two may start with the
// same share.)
class Job {
 public:
  Job(RangeFunction* function, const void* context, int64_t begin, int64_t end, int64_t grain, int64_t threads)
      : function_(function), context_(context), begin_(begin), end_(end), grain_(grain), threads_(threads) {}

  // Gives each thread its share, in the memory of the pool: a job that held as many as there may be threads would take
  // half of the nearest cache.
  void divide(Share* shares) {
    shares_ = shares;
    const int64_t grains = (end_ - begin_ + grain_ - 1) / grain_;
    for (int64_t t = 0; t < threads_; ++t) shares_[t].reset(grains * t / threads_, grains * (t + 1) / threads_);
  }

  void work(int64_t own) {
    const int64_t start = now_ns();
    error_.keep([&] {
      for (int64_t t = 0; t < threads_; ++t) work_on(shares_[(own + t) % threads_], t == 0);
    });
    working_ns_.fetch_add(now_ns() - start, std::memory_order_relaxed);
  }

  const FirstError& error() const { return error_; }

  // Of all threads.
  int64_t working_ns() const { return working_ns_.load(std::memory_order_relaxed); }

 private:
  void work_on(Share& share, bool is_own) {
    for (Share::Part part; !error_.met() && (part = share.take(is_own)).first < part.end;) {
      function_(context_, begin_ + part.first * grain_, std::min(begin_ + part.end * grain_, end_));
    }
  }

  RangeFunction* function_;
  const void* context_;
  int64_t begin_;
  int64_t end_;
  int64_t grain_;
  int64_t threads_;
  std::atomic<int64_t> working_ns_{0};
  FirstError error_;
  Share* shares_ = nullptr;
};

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Open helper slots and working helpers, in one word: both change together.
struct Crew {
  uint32_t seats;
  uint32_t active;

  static Crew of(uint32_t word) { return {word >> 16, word & 0xffff}; }
  uint32_t word() const { return seats << 16 | active; }
};

class Pool {
 public:
  // False if the pool is serving another caller.
  bool run(Job& job, int helpers) {
    const std::unique_lock busy(busy_, std::try_to_lock);
    if (!busy.owns_lock()) return false;
    start_workers(helpers);
    job.divide(shares_);
    job_.store(&job, std::memory_order_relaxed);
    crew_.store(Crew{static_cast<uint32_t>(helpers), 0}.word(), std::memory_order_release);
    crew_.notify_all();
    job.work(0);
    wait_for_helpers();
    return true;
  }

 private:
  void start_workers(int wanted) {
    for (; workers_ < wanted; ++workers_) {
      try {
        std::thread([this, number = workers_ + 1] { serve(number); }).detach();
      } catch (const std::system_error&) {
        return;  // the caller takes over the missing thread's work
      }
    }
  }

  // Helpers that have not arrived are no longer needed; those at work still read the job.
  void wait_for_helpers() {
    uint32_t word = crew_.fetch_and(0xffff, std::memory_order_acquire) & 0xffff;
    for (int spins = 0; word != 0; word = crew_.load(std::memory_order_acquire)) look_again(word, spins);
  }

  void serve(int number) {
    for (int spins = 0;;) {
      const uint32_t word = crew_.load(std::memory_order_acquire);
      if (!take_seat(word)) {
        look_again(word, spins);
        continue;
      }
      spins = 0;
      job_.load(std::memory_order_relaxed)->work(number);
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

  // Returns at once while `spins` is low, afterwards only when the crew is no longer `word`.
  void look_again(uint32_t word, int& spins) {
    if (++spins < kSpins) {
      pause_briefly();
    } else {
      crew_.wait(word, std::memory_order_relaxed);
    }
  }

  std::mutex busy_;  // held by the caller being served; guards workers_ and shares_
  std::atomic<Job*> job_{nullptr};
  std::atomic<uint32_t> crew_{0};
  int workers_ = 0;
  Share shares_[kMaxThreads];
};

// Never destroyed: detached workers may outlive static destructors. A child process creates a new pool, because the
// threads of the old one do not exist there.
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
  const int64_t workers = std::min<int64_t>(std::min(threads, kMaxThreads), grains);
  if (workers <= 1) {
    function(context, begin, end);
    return;
  }
  const int64_t start = now_ns();
  Job job(function, context, begin, end, grain, workers);
  if (!get_pool().run(job, static_cast<int>(workers) - 1)) return function(context, begin, end);
  job.error().rethrow();
  const int64_t elapsed = now_ns() - start;
  waits.calls += 1;
  waits.calls_ns += elapsed;
  waits.waiting_ns += workers * elapsed - job.working_ns();
}

const ThreadWaits& waits_of_this_thread() { return waits; }

}  // namespace sparsesr
