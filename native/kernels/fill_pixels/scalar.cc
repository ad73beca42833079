#include <cstring>

#include "kernels/fill_pixels/fill_pixels.h"

namespace sparsesr {

void fill_pixels__scalar(const FillPixelsArgs& args, const int32_t* pixels, int64_t count) {
  auto* first = static_cast<char*>(args.out.data) + args.pixel_bytes - args.bytes;
  for (int64_t n = 0; n < count; ++n) {
    std::memcpy(first + (pixels[n] + args.out.shift) * args.pixel_bytes, args.values,
                static_cast<size_t>(args.bytes));
  }
}

}  // namespace sparsesr
