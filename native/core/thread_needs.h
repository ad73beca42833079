// Per-thread resources of a kernel.
#pragma once

#include <cstddef>

namespace sparsesr {

struct ThreadNeeds {
  size_t scratch_bytes = 0;   // private to the thread, uninitialised
  void (*set_up)() = nullptr;  // runs before the kernel; null: nothing to do
  void (*clean_up)() = nullptr;  // runs after the kernel; null: nothing to do
};

}  // namespace sparsesr
