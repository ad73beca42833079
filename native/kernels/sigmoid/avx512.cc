#include "kernels/sigmoid/rows.h"

namespace sparsesr {

void f32_sigmoid__avx512(const SigmoidArgs& args, int64_t begin, int64_t end) { sigmoid(args, begin, end); }

}  // namespace sparsesr
