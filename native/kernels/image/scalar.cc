#include "kernels/image/image.h"

namespace sparsesr {
namespace {

// Fills rows of the window from an image in which the value `white` represents 1.
template <typename T>
void read_rows(const ImageArgs& args, float white, int64_t begin, int64_t end) {
  const auto* image = static_cast<const T*>(args.image);
  for (int64_t r = begin; r < end; ++r) {
    const int64_t row = r < args.height ? r : args.height - 1;
    const T* source = image + row * args.width * kImageChannels;
    float* out = pixel_at(args.out, r, 0);
    for (int64_t x = 0; x < args.out.width; ++x, out += kImageStride) {
      for (int64_t c = 0; c < kImageChannels; ++c) {
        out[c] = static_cast<float>(source[c]) / white - args.offset[c];
      }
      out[kImageChannels] = 0.0f;
      if (x + 1 < args.width) source += kImageChannels;
    }
  }
}

}  // namespace

void f32_image__scalar(const ImageArgs& args, int64_t begin, int64_t end) {
  switch (args.type) {
    case PixelType::kU8: return read_rows<uint8_t>(args, 255.0f, begin, end);
    case PixelType::kU16: return read_rows<uint16_t>(args, 65535.0f, begin, end);
    case PixelType::kF32: return read_rows<float>(args, 1.0f, begin, end);
  }
}

}  // namespace sparsesr
