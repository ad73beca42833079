#include "core/kernel_thread.h"

#include "core/aligned_bytes.h"

namespace sparsesr {
namespace {

// Grows to the size that the most demanding kernel needs.
class Scratch {
 public:
  std::byte* of_size(size_t count) {
    if (count > size_) {
      bytes_ = aligned_bytes(count);
      size_ = count;
    }
    return bytes_.get();
  }

 private:
  AlignedBytes bytes_;
  size_t size_ = 0;
};

thread_local Scratch scratch_of_thread;

}  // namespace

KernelThread::KernelThread(const ThreadNeeds& needs)
    : needs_(needs),
      scratch_(needs.scratch_bytes == 0 ? nullptr : scratch_of_thread.of_size(needs.scratch_bytes)) {
  if (needs_.set_up != nullptr) needs_.set_up();
}

KernelThread::~KernelThread() {
  if (needs_.clean_up != nullptr) needs_.clean_up();
}

}  // namespace sparsesr
