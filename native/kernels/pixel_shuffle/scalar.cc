#include "kernels/kernels.h"

namespace sparsesr {
namespace {

// One row of `x` becomes `scale` rows of the picture. Channel c * scale^2 + i * scale + j of a pixel is
// colour c of the picture's pixel (i, j) in the pixel's cell.
template <int64_t kScale>
void shuffle_row(const PixelShuffleArgs& args, int64_t r) {
  const int64_t scale = kScale == 0 ? args.scale : kScale;
  for (int64_t i = 0; i < scale; ++i) {
    const float* x = pixel_at(args.x, r, 0);
    float* out = pixel_at(args.out, r * scale + i, 0);
    const float* skip = args.skip.data == nullptr ? nullptr : pixel_at(args.skip, r * scale + i, 0);
    for (int64_t n = 0; n < args.x.width; ++n, x += args.x.stride) {
      for (int64_t j = 0; j < scale; ++j, out += kPictureStride) {
        for (int64_t c = 0; c < kPictureChannels; ++c) {
          const float value = x[(c * scale + i) * scale + j];
          out[c] = skip == nullptr ? value : value + skip[c];
        }
        out[kPictureChannels] = 0.0f;
        if (skip != nullptr) skip += kPictureStride;
      }
    }
  }
}

}  // namespace

void f32_pixel_shuffle__scalar(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    switch (args.scale) {
      case 2: shuffle_row<2>(args, r); break;
      case 3: shuffle_row<3>(args, r); break;
      case 4: shuffle_row<4>(args, r); break;
      default: shuffle_row<0>(args, r);
    }
  }
}

}  // namespace sparsesr
