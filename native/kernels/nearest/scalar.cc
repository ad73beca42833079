// Nothing but copies, which the library's memcpy makes with the widest registers on any processor.
#include <cstring>

#include "kernels/nearest/nearest.h"

namespace sparsesr {
namespace {

template <typename T>
void nearest(const NearestArgsOf<T>& args, int64_t begin, int64_t end) {
  const auto bytes = static_cast<size_t>(args.out.stride) * sizeof(T);
  for (int64_t r = begin; r < end; ++r) {
    T* out = pixel_at(args.out, r, 0);
    for (int64_t i = 0; i < args.x.width; ++i) {
      const T* x = pixel_at(args.x, r / args.scale, i);
      for (int64_t n = 0; n < args.scale; ++n, out += args.out.stride) std::memcpy(out, x, bytes);
    }
  }
}

}  // namespace

void f32_nearest__scalar(const NearestArgsOf<float>& args, int64_t begin, int64_t end) { nearest(args, begin, end); }

void bf16_nearest__scalar(const NearestArgsOf<Bf16>& args, int64_t begin, int64_t end) { nearest(args, begin, end); }

}  // namespace sparsesr
