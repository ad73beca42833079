#include "kernels/conv/vectors_avx512.h"
#include "kernels/quantise/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  static constexpr int kValues = kLanes;
  __m512 factor;
  __m512 offset;

  Vector(float f, float z) : factor(_mm512_set1_ps(f)), offset(_mm512_set1_ps(z)) {}
  void step(const float* x, U8* out) const {
    store_all(out, _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(x), factor), offset));
  }
};

}  // namespace

void f32_quantise__avx512(const QuantiseArgs& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void f32_quantise_pixels__avx512(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector>(args, pixels, count);
}

}  // namespace sparsesr
