#include "kernels/bicubic/bicubic.h"
#include "kernels/pixel4.h"

namespace sparsesr {
namespace {

constexpr int64_t kBlock = 64;  // source columns per block
constexpr int64_t kTaps = 4;
// Columns of a blended block, including two more on either side.
constexpr int64_t kColumns = kBlock + kTaps;

int64_t clamp(int64_t value, int64_t limit) { return value < 0 ? 0 : (value > limit ? limit : value); }

// Blends the four source rows into one row, for `columns` columns starting at first - 2.
void blend_rows(const BicubicArgs& args, int64_t row, const float* weights, int64_t first, int64_t columns,
                float* blended) {
  const float* source[kTaps];
  for (int64_t t = 0; t < kTaps; ++t) {
    source[t] = pixel_at(args.x, clamp(row + t, args.x_height - 1), 0);
  }
  for (int64_t n = 0; n < columns; ++n, blended += kImageStride) {
    const int64_t x = clamp(first - 2 + n, args.x.width - 1) * kImageStride;
    store_pixel(blended, load_pixel(source[0] + x) * weights[0] + load_pixel(source[1] + x) * weights[1] +
                             load_pixel(source[2] + x) * weights[2] + load_pixel(source[3] + x) * weights[3]);
  }
}

void blend_columns(const BicubicArgs& args, const float* blended, int64_t count, float* out) {
  for (int64_t n = 0; n < count; ++n, blended += kImageStride) {
    for (int64_t phase = 0; phase < args.scale; ++phase, out += kImageStride) {
      const float* weights = args.weights[phase];
      const float* source = blended + (2 + args.offset[phase]) * kImageStride;
      store_pixel(out, load_pixel(source) * weights[0] + load_pixel(source + kImageStride) * weights[1] +
                           load_pixel(source + 2 * kImageStride) * weights[2] +
                           load_pixel(source + 3 * kImageStride) * weights[3]);
    }
  }
}

}  // namespace

void f32_bicubic__scalar(const BicubicArgs& args, int64_t begin, int64_t end) {
  float blended[kColumns * kImageStride];
  for (int64_t r = begin; r < end; ++r) {
    const int64_t phase = r % args.scale;
    const int64_t row = r / args.scale + args.offset[phase];
    for (int64_t x = 0; x < args.x.width; x += kBlock) {
      const int64_t count = args.x.width - x < kBlock ? args.x.width - x : kBlock;
      blend_rows(args, row, args.weights[phase], x, count + kTaps, blended);
      blend_columns(args, blended, count, pixel_at(args.out, r, x * args.scale));
    }
  }
}

}  // namespace sparsesr
