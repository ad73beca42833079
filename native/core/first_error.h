// What goes wrong in a parallel call.
#pragma once

#include <atomic>
#include <exception>

namespace sparsesr {

// Keeps the first exception that any of the threads met, for their caller: a thread that let it go further would end the
// process.
class FirstError {
 public:
  template <typename Work>
  void keep(const Work& work) noexcept {
    try {
      work();
    } catch (...) {
      if (!met_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
    }
  }

  // True once a thread has met one; what is left of the call is in vain.
  bool met() const { return met_.load(std::memory_order_relaxed); }

  // After all threads have finished.
  void rethrow() const {
    if (met()) std::rethrow_exception(error_);
  }

 private:
  std::atomic<bool> met_{false};
  std::exception_ptr error_;
};

}  // namespace sparsesr
