#include <immintrin.h>

#include "kernels/weight_gradient/outer_products.h"

namespace sparsesr {
namespace {

struct Lanes {
  using Vector = __m256;
  static constexpr int kCount = 8;

  static Vector load(const float* x) { return _mm256_load_ps(x); }
  static Vector broadcast(const float* x) { return _mm256_broadcast_ss(x); }
  static Vector add_product(Vector sum, Vector a, Vector b) { return _mm256_fmadd_ps(a, b, sum); }
  static void store(float* x, Vector value) { _mm256_store_ps(x, value); }
};

}  // namespace

void f32_weight_gradient_4x16__avx2(const WeightGradientArgs& args, const int32_t* pixels, int64_t count) {
  add_products<Lanes, 4, 2>(args, pixels, count);
}

}  // namespace sparsesr
