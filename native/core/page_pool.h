// Large memory that is used again and again: kept when it is given back, since new pages cost more than the work on them.
#pragma once

#include <cstddef>
#include <memory>

namespace sparsesr {

struct ReturnToPool {
  size_t size = 0;
  void operator()(std::byte* bytes) const;
};

// Of any contents; begins at a page, where possible at a huge one.
using PooledBytes = std::unique_ptr<std::byte[], ReturnToPool>;

PooledBytes pooled_bytes(size_t size);

}  // namespace sparsesr
