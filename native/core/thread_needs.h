// What a kernel needs of each thread that runs it.
#pragma once

#include <cstddef>

namespace sparsesr {

struct ThreadNeeds {
  size_t scratch_bytes = 0;   // working memory of the thread's own, with any contents
  void (*set_up)() = nullptr;  // before the thread runs the kernel, and
  void (*clean_up)() = nullptr;  // after it; null: nothing to do
};

}  // namespace sparsesr
