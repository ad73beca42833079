// Pool of large memory blocks. Returned blocks are kept, because new pages cost more than the work done on them.
#pragma once

#include <cstddef>
#include <memory>

namespace sparsesr {

struct ReturnToPool {
  size_t size = 0;
  void operator()(std::byte* bytes) const;
};

// Uninitialised; aligned to a page, to a huge page where possible.
using PooledBytes = std::unique_ptr<std::byte[], ReturnToPool>;

PooledBytes pooled_bytes(size_t size);

}  // namespace sparsesr
