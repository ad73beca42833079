#include "kernels/mask/mask.h"

namespace sparsesr {

// Branch-free: the pixel is appended to both lists and only one count grows. The caller reserves room for every pixel
// in each list.
void f32_mask__scalar(MaskArgs& args, int64_t begin, int64_t end) {
  int64_t active_count = args.active_count;
  int64_t inactive_count = args.inactive_count;
  for (int64_t r = begin; r < end; ++r) {
    const float* logits = pixel_at(args.logits, r, 0);
    auto pixel = static_cast<int32_t>(r * (args.logits.width + 2) + 1);
    for (int64_t x = 0; x < args.logits.width; ++x, ++pixel, logits += args.logits.stride) {
      const bool is_active = logits[1] + args.bias > logits[0];
      args.active[active_count] = pixel;
      args.inactive[inactive_count] = pixel;
      active_count += is_active;
      inactive_count += !is_active;
    }
  }
  args.active_count = active_count;
  args.inactive_count = inactive_count;
}

}  // namespace sparsesr
