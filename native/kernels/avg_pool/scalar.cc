#include "kernels/avg_pool/rows.h"

namespace sparsesr {

void f32_avg_pool__scalar(const AvgPoolArgs& args, int64_t begin, int64_t end) { avg_pool(args, begin, end); }

void bf16_avg_pool__scalar(const AvgPoolArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  avg_pool(args, begin, end);
}

}  // namespace sparsesr
