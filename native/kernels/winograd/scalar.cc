#include "kernels/winograd/definitions.h"

namespace sparsesr {
namespace {

struct Lanes {
  using Vector = float;
  static constexpr int kCount = 1;

  static Vector load(const float* x) { return *x; }
  static Vector broadcast(const float* x) { return *x; }
  static Vector add_product(Vector sum, Vector a, Vector b) { return sum + a * b; }
  static void store(float* x, Vector value) { *x = value; }

  static Vector only_if(bool condition, Vector value) { return condition ? value : 0.0f; }
  static Vector positive(Vector value, bool condition) { return condition && !(value < 0.0f) ? value : 0.0f; }
  static Vector where_positive(Vector x, Vector value) { return x > 0.0f ? value : 0.0f; }
};

}  // namespace

SPARSESR_DEFINE_WINOGRAD(scalar, Lanes, 4, 4)

}  // namespace sparsesr
