#include "kernels/bicubic/rows.h"

namespace sparsesr {

void f32_bicubic__avx512(const BicubicArgs& args, int64_t begin, int64_t end) { bicubic<4>(args, begin, end); }

}  // namespace sparsesr
