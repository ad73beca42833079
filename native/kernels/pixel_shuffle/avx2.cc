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

struct Image {
  // A colour's row is read as four values, of which the last ones may belong to the next row.
  static int64_t channels_read(int64_t scale) { return (kImageChannels * scale - 1) * scale + kPixels; }

  template <int kScale>
  static void shuffle(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
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
};

}  // namespace

void f32_pixel_shuffle__avx2(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  shuffle_by<Image>(args, begin, end);
}

}  // namespace sparsesr
