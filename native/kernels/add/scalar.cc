#include "kernels/add/rows.h"

namespace sparsesr {

void f32_add__scalar(const AddArgs& args, int64_t begin, int64_t end) { add(args, begin, end); }

}  // namespace sparsesr
