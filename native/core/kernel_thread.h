// Prepares a thread for a kernel for the lifetime of the object.
#pragma once

#include <cstddef>

#include "core/thread_needs.h"

namespace sparsesr {

// At most one per thread at a time.
class KernelThread {
 public:
  explicit KernelThread(const ThreadNeeds& needs);
  ~KernelThread();
  KernelThread(const KernelThread&) = delete;
  KernelThread& operator=(const KernelThread&) = delete;

  // 64-byte aligned; the thread keeps it for the next kernel. Null if the kernel needs none.
  std::byte* scratch() const { return scratch_; }

 private:
  const ThreadNeeds& needs_;
  std::byte* scratch_;
};

}  // namespace sparsesr
