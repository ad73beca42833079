#include "kernels/conv/vectors_avx2.h"
#include "kernels/quantise/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  static constexpr int kValues = kLanes;
  __m256 factor;
  __m256 offset;

  Vector(float f, float z) : factor(_mm256_set1_ps(f)), offset(_mm256_set1_ps(z)) {}
  template <typename T>
  void step(const T* x, U8* out) const {
    store_lanes(out, __m256i{}, true, _mm256_add_ps(_mm256_mul_ps(load_all(x), factor), offset));
  }
};

}  // namespace

void f32_quantise__avx2(const QuantiseArgsOf<float>& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void bf16_quantise__avx2(const QuantiseArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void f32_quantise_pixels__avx2(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector, float>(args, pixels, count);
}

void bf16_quantise_pixels__avx2(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector, Bf16>(args, pixels, count);
}

}  // namespace sparsesr
