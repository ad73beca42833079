#include <cstring>

#include "kernels/kernels.h"

namespace sparsesr {

void zero_pixels__scalar(const ZeroPixelsArgs& args, int64_t begin, int64_t end) {
  auto* map = static_cast<char*>(args.out.data);
  for (int64_t n = begin; n < end; ++n) {
    std::memset(map + (args.pixels[n] + args.out.shift) * args.pixel_bytes, 0,
                static_cast<size_t>(args.pixel_bytes));
  }
}

}  // namespace sparsesr
