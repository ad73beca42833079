#include "kernels/conv/vectors_avx2.h"
#include "kernels/quantise/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  static constexpr int kValues = kLanes;
  __m256 factor;
  __m256 offset;

  Vector(float f, float z) : factor(_mm256_set1_ps(f)), offset(_mm256_set1_ps(z)) {}
  void step(const float* x, U8* out) const {
    store_lanes(out, __m256i{}, true, _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(x), factor), offset));
  }
};

}  // namespace

void f32_quantise__avx2(const QuantiseArgs& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void f32_quantise_pixels__avx2(const QuantisePixelsArgs& args, const int32_t* pixels, int64_t count) {
  quantise_pixels<Vector>(args, pixels, count);
}

}  // namespace sparsesr
