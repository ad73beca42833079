#include <cstring>

#include "kernels/kernels.h"

namespace sparsesr {

void f32_zero_pixels__scalar(const ZeroPixelsArgs& args, int64_t begin, int64_t end) {
  const auto bytes = static_cast<size_t>(args.out.stride) * sizeof(float);
  for (int64_t n = begin; n < end; ++n) {
    std::memset(args.out.data + (args.pixels[n] + args.out.shift) * args.out.stride, 0, bytes);
  }
}

}  // namespace sparsesr
