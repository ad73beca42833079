#include "kernels/quantise/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  static constexpr int kValues = 1;
  float factor;
  float offset;

  Vector(float f, float z) : factor(f), offset(z) {}
  template <typename T>
  void step(const T* x, U8* out) const {
    *out = quantised(widen(*x), factor, offset);
  }
};

}  // namespace

void f32_quantise__scalar(const QuantiseArgsOf<float>& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void bf16_quantise__scalar(const QuantiseArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void f32_quantise_pixels__scalar(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector, float>(args, pixels, count);
}

void bf16_quantise_pixels__scalar(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector, Bf16>(args, pixels, count);
}

}  // namespace sparsesr
