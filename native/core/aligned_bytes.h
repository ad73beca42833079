// Cache-line-aligned memory.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace sparsesr {

constexpr std::align_val_t kLineAlignment{64};

struct AlignedDelete {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, kLineAlignment); }
};

using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;

inline AlignedBytes aligned_bytes(size_t count) {
  return AlignedBytes(new (kLineAlignment) std::byte[count]);
}

inline AlignedBytes aligned_zeros(size_t count) {
  return AlignedBytes(new (kLineAlignment) std::byte[count]());
}

}  // namespace sparsesr
