#include "kernels/bilinear/rows.h"

namespace sparsesr {

void f32_bilinear__scalar(const BilinearArgs& args, int64_t begin, int64_t end) { bilinear(args, begin, end); }

}  // namespace sparsesr
