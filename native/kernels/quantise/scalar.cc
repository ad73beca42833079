#include "kernels/quantise/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  static constexpr int kValues = 1;
  float factor;
  float offset;

  Vector(float f, float z) : factor(f), offset(z) {}
  void step(const float* x, U8* out) const {
    *out = quantised(*x, factor, offset);
  }
};

}  // namespace

void f32_quantise__scalar(const QuantiseArgs& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void f32_quantise_pixels__scalar(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector>(args, pixels, count);
}

}  // namespace sparsesr
