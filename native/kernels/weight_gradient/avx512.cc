#include <immintrin.h>

#include "kernels/weight_gradient/outer_products.h"

namespace sparsesr {
namespace {

struct Lanes {
  using Vector = __m512;
  static constexpr int kCount = 16;

  static Vector load(const float* x) { return _mm512_load_ps(x); }
  static Vector broadcast(const float* x) { return _mm512_set1_ps(*x); }
  static Vector add_product(Vector sum, Vector a, Vector b) { return _mm512_fmadd_ps(a, b, sum); }
  static void store(float* x, Vector value) { _mm512_store_ps(x, value); }
};

}  // namespace

void f32_weight_gradient_8x32__avx512(const WeightGradientArgs& args, const int32_t* pixels, int64_t count) {
  add_products<Lanes, 8, 2>(args, pixels, count);
}

}  // namespace sparsesr
