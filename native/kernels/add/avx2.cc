#include "kernels/add/rows.h"

namespace sparsesr {

void f32_add__avx2(const AddArgs& args, int64_t begin, int64_t end) { add(args, begin, end); }

}  // namespace sparsesr
