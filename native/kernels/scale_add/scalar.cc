#include "kernels/scale_add/rows.h"

namespace sparsesr {

void f32_scale_add__scalar(const ScaleAddArgs& args, int64_t begin, int64_t end) {
  scale_add(args, begin, end);
}

void bf16_scale_add__scalar(const ScaleAddArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  scale_add(args, begin, end);
}

}  // namespace sparsesr
