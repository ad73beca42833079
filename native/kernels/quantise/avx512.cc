#include "kernels/conv/vectors_avx512.h"
#include "kernels/quantise/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  static constexpr int kValues = kLanes;
  __m512 factor;
  __m512 offset;

  Vector(float f, float z) : factor(_mm512_set1_ps(f)), offset(_mm512_set1_ps(z)) {}
  template <typename T>
  void step(const T* x, U8* out) const {
    store_all(out, _mm512_add_ps(_mm512_mul_ps(load_lanes(x, 0xffff), factor), offset));
  }
};

}  // namespace

void f32_quantise__avx512(const QuantiseArgsOf<float>& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void bf16_quantise__avx512(const QuantiseArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void f32_quantise_pixels__avx512(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector, float>(args, pixels, count);
}

void bf16_quantise_pixels__avx512(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector, Bf16>(args, pixels, count);
}

}  // namespace sparsesr
