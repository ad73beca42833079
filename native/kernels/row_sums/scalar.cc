#include "kernels/row_sums/rows.h"

namespace sparsesr {
namespace {

struct Vector {
  using Doubles = double;
  static constexpr int kLanes = 1;

  template <typename T>
  static double add(double sum, const T* x) {
    return sum + static_cast<double>(widen(*x));
  }
};

}  // namespace

void f32_row_sums__scalar(const RowSumsArgs& args, int64_t begin, int64_t end) {
  row_sums<Vector>(args, begin, end);
}

void bf16_row_sums__scalar(const RowSumsArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  row_sums<Vector>(args, begin, end);
}

}  // namespace sparsesr
