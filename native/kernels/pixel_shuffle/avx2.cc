// Pixel shuffle to images: a row of a cell is a transposed matrix of colours and pixels.
#include <immintrin.h>

#include "kernels/pixel_shuffle/rows.h"

namespace sparsesr {
namespace {

constexpr int kPixels = 4;  // most pixels of a cell's row

// Stores a pixel: three colours and zero.
void store_pixel(float* out, const float* skip, __m128 pixel) {
  if (skip != nullptr) pixel = _mm_blend_ps(_mm_add_ps(pixel, _mm_loadu_ps(skip)), _mm_setzero_ps(), 8);
  _mm_storeu_ps(out, pixel);
}

template <int kScale>
void shuffle_image(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  constexpr int64_t kCell = kScale * kScale;
  for (int64_t r = begin; r < end; ++r) {
    const float* x = pixel_at(args.x, r / kScale, 0) + r % kScale * kScale;
    const float* skip = args.skip.data == nullptr ? nullptr : pixel_at(args.skip, r, 0);
    float* out = pixel_at(args.out, r, 0);
    for (int64_t n = 0; n < args.x.width; ++n, x += args.x.stride) {
      __m128 pixels[kPixels] = {_mm_loadu_ps(x), _mm_loadu_ps(x + kCell), _mm_loadu_ps(x + 2 * kCell),
                                _mm_setzero_ps()};
      _MM_TRANSPOSE4_PS(pixels[0], pixels[1], pixels[2], pixels[3]);
#pragma GCC unroll 4
      for (int j = 0; j < kScale; ++j, out += kImageStride) {
        store_pixel(out, skip, pixels[j]);
        if (skip != nullptr) skip += kImageStride;
      }
    }
  }
}

// A colour's row is read as four values, of which the last ones may belong to the next row.
bool is_image(const PixelShuffleArgs& args) {
  const int64_t last = (3 * args.scale - 1) * args.scale;
  return args.channels == kImageChannels && args.out.stride == kImageStride &&
         (args.skip.data == nullptr || args.skip.stride == kImageStride) && last + kPixels <= args.x.stride;
}

}  // namespace

void f32_pixel_shuffle__avx2(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  if (!is_image(args)) return shuffle(args, begin, end);
  switch (args.scale) {
    case 2: return shuffle_image<2>(args, begin, end);
    case 3: return shuffle_image<3>(args, begin, end);
    case 4: return shuffle_image<4>(args, begin, end);
    default: return shuffle(args, begin, end);
  }
}

}  // namespace sparsesr
