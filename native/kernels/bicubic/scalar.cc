#include "kernels/bicubic/rows.h"

namespace sparsesr {

void f32_bicubic__scalar(const BicubicArgs& args, int64_t begin, int64_t end) { bicubic<1>(args, begin, end); }

}  // namespace sparsesr
