#include <cstring>

#include "kernels/kernels.h"

namespace sparsesr {

void fill_pixels__scalar(const FillPixelsArgs& args, int64_t begin, int64_t end) {
  auto* first = static_cast<char*>(args.out.data) + args.pixel_bytes - args.bytes;
  for (int64_t n = begin; n < end; ++n) {
    std::memcpy(first + (args.pixels[n] + args.out.shift) * args.pixel_bytes, args.values,
                static_cast<size_t>(args.bytes));
  }
}

}  // namespace sparsesr
