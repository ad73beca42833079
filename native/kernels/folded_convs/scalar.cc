#include "kernels/folded_convs/rows.h"

namespace sparsesr {
namespace {

struct Scalar {
  using Vector = float;
  static constexpr int64_t kLanes = 1;
  static Vector load(const float* source) { return *source; }
  static Vector all(float value) { return value; }
  static void split(const float* pixels, int64_t count, float (*planes)[kPlaneColumns]) {
    split_pixels(pixels, 0, count, planes);
  }
  static Vector multiply_add(Vector a, Vector b, Vector sum) { return a * b + sum; }
  static void store_quads(const Vector* sums, float* out, int64_t, int64_t) { std::copy_n(sums, kQuad, out); }
};

}  // namespace

void f32_folded_convs__scalar(const FoldedConvsArgs& args, int64_t row, int64_t first, int64_t end) {
  folded_convs<Scalar, 1>(args, row, first, end);
}

}  // namespace sparsesr
