// Pixel shuffle for any map, and the choice of kernels that only shuffle to images; compiled for each file that includes
// it, with bit-identical results.
#pragma once

#include "kernels/pixel_shuffle/pixel_shuffle.h"

namespace sparsesr {
namespace {

// One row of `out`. Channel c * scale^2 + i * scale + j of a pixel of `x` becomes channel c of pixel (i, j) in its
// output cell.
template <int64_t kScale, int64_t kChannels>
void shuffle_row(const PixelShuffleArgs& args, int64_t r) {
  const int64_t scale = kScale == 0 ? args.scale : kScale;
  const int64_t channels = kChannels == 0 ? args.channels : kChannels;
  const int64_t stride = args.out.stride;
  const float* x = pixel_at(args.x, r / scale, 0) + r % scale * scale;
  const float* skip = args.skip.data == nullptr ? nullptr : pixel_at(args.skip, r, 0);
  float* out = pixel_at(args.out, r, 0);
  for (int64_t n = 0; n < args.x.width; ++n, x += args.x.stride) {
    for (int64_t j = 0; j < scale; ++j, out += stride) {
      // `out` may alias the skip, so each value is read before it is written.
      if (skip == nullptr) {
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; ++c) out[c] = x[c * scale * scale + j];
      } else {
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; ++c) out[c] = x[c * scale * scale + j] + skip[c];
        skip += stride;
      }
      for (int64_t c = channels; c < stride; ++c) out[c] = 0.0f;
    }
  }
}

template <int64_t kScale>
void shuffle_rows(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  const auto row =
      args.channels == kImageChannels ? shuffle_row<kScale, kImageChannels> : shuffle_row<kScale, 0>;
  for (int64_t r = begin; r < end; ++r) row(args, r);
}

// Rows of `out`, for any scale and number of channels.
inline void shuffle(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  switch (args.scale) {
    case 2: return shuffle_rows<2>(args, begin, end);
    case 3: return shuffle_rows<3>(args, begin, end);
    case 4: return shuffle_rows<4>(args, begin, end);
    default: return shuffle_rows<0>(args, begin, end);
  }
}

// Whether `out` and the skip are images, and rows of `read` channels can be read from each pixel of `x`.
inline bool makes_image(const PixelShuffleArgs& args, int64_t read) {
  return args.channels == kImageChannels && args.out.stride == kImageStride &&
         (args.skip.data == nullptr || args.skip.stride == kImageStride) && read <= args.x.stride;
}

// Rows of `out` by the form of an instruction set: Image::shuffle<scale>() where it suits, see makes_image().
template <typename Image>
void shuffle_by(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  if (!makes_image(args, Image::channels_read(args.scale))) return shuffle(args, begin, end);
  switch (args.scale) {
    case 2: return Image::template shuffle<2>(args, begin, end);
    case 3: return Image::template shuffle<3>(args, begin, end);
    case 4: return Image::template shuffle<4>(args, begin, end);
    default: return shuffle(args, begin, end);
  }
}

}  // namespace
}  // namespace sparsesr
