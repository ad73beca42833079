#include "kernels/conv/vectors_avx2.h"
#include "kernels/quantise/rows.h"

namespace sparsesr {
namespace {

__m256 load(const float* x) { return _mm256_loadu_ps(x); }

__m256 load(const Bf16* x) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

struct Vector {
  static constexpr int kValues = kLanes;
  __m256 factor;
  __m256 offset;

  Vector(float f, float z) : factor(_mm256_set1_ps(f)), offset(_mm256_set1_ps(z)) {}
  template <typename T>
  void step(const T* x, U8* out) const {
    store_lanes(out, __m256i{}, true, _mm256_add_ps(_mm256_mul_ps(load(x), factor), offset));
  }
};

}  // namespace

void f32_quantise__avx2(const QuantiseArgsOf<float>& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

void bf16_quantise__avx2(const QuantiseArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  quantise<Vector>(args, begin, end);
}

}  // namespace sparsesr
