#include "kernels/image/image.h"
#include "kernels/pixel4.h"

namespace sparsesr {
namespace {

template <typename T>
struct FourOf {
  typedef T Values __attribute__((vector_size(4 * sizeof(T))));  // "using" would drop the attribute
};

// A pixel, and the first value of the next one.
template <typename T>
Pixel4 load_four(const T* source) {
  typename FourOf<T>::Values values;
  __builtin_memcpy(&values, source, sizeof(values));
  return __builtin_convertvector(values, Pixel4);
}

// The last pixel of an image, which no other one follows.
template <typename T>
Pixel4 load_three(const T* source) {
  return Pixel4{static_cast<float>(source[0]), static_cast<float>(source[1]), static_cast<float>(source[2]), 0.0f};
}

// Fills rows of the window from an image in which the value `white` represents 1.
template <typename T>
void read_rows(const ImageArgs& args, float white, int64_t begin, int64_t end) {
  const auto* image = static_cast<const T*>(args.image);
  const Pixel4 offset = {args.offset[0], args.offset[1], args.offset[2], 0.0f};
  const Pixel4 whites = Pixel4{} + white;
  const Pixel4Int colours = {-1, -1, -1, 0};
  for (int64_t r = begin; r < end; ++r) {
    const int64_t row = r < args.height ? r : args.height - 1;
    const T* source = image + row * args.width * kImageChannels;
    float* out = pixel_at(args.out, r, 0);
    for (int64_t x = 0; x + 1 < args.width; ++x, source += kImageChannels, out += kImageStride) {
      const Pixel4 pixel = load_four(source) / whites - offset;
      store_pixel(out, colours ? pixel : Pixel4{});
    }
    const Pixel4 last = load_three(source) / whites - offset;
    for (int64_t x = args.width - 1; x < args.out.width; ++x, out += kImageStride) store_pixel(out, last);
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
