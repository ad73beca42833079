#include "kernels/store/store.h"
#include "kernels/pixel4.h"

namespace sparsesr {
namespace {

// Clips to 0..1 (NaN becomes 0), scales and rounds half up.
Pixel4Int quantize(Pixel4 pixel, float white) {
  const Pixel4 low = pixel > 0.0f ? pixel : Pixel4{};
  const Pixel4 one = Pixel4{} + 1.0f;
  const Pixel4 clipped = low < one ? low : one;
  return __builtin_convertvector(clipped * white + 0.5f, Pixel4Int);
}

template <typename T>
void store_rows(const StoreArgs& args, float white, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* x = pixel_at(args.x, r, 0);
    T* out = static_cast<T*>(args.image) + r * args.width * kImageChannels;
    for (int64_t n = 0; n < args.width; ++n, x += kImageStride, out += kImageChannels) {
      const Pixel4Int values = quantize(load_pixel(x), white);
      for (int64_t c = 0; c < kImageChannels; ++c) out[c] = static_cast<T>(values[c]);
    }
  }
}

void copy_rows(const StoreArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* x = pixel_at(args.x, r, 0);
    float* out = static_cast<float*>(args.image) + r * args.width * kImageChannels;
    for (int64_t n = 0; n < args.width; ++n, x += kImageStride, out += kImageChannels) {
      for (int64_t c = 0; c < kImageChannels; ++c) out[c] = x[c];
    }
  }
}

}  // namespace

void f32_store__scalar(const StoreArgs& args, int64_t begin, int64_t end) {
  switch (args.type) {
    case PixelType::kU8: return store_rows<uint8_t>(args, 255.0f, begin, end);
    case PixelType::kU16: return store_rows<uint16_t>(args, 65535.0f, begin, end);
    case PixelType::kF32: return copy_rows(args, begin, end);
  }
}

}  // namespace sparsesr
