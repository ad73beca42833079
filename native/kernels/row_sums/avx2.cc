#include "kernels/row_sums/rows.h"

namespace sparsesr {

void f32_row_sums__avx2(const RowSumsArgs& args, int64_t begin, int64_t end) { row_sums<4>(args, begin, end); }

void bf16_row_sums__avx2(const RowSumsArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  row_sums<4>(args, begin, end);
}

}  // namespace sparsesr
