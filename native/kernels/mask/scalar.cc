#include "kernels/mask/mask.h"

namespace sparsesr {

void f32_mask__scalar(const MaskArgs& args, int64_t begin, int64_t end) {
  const int64_t width = args.logits.width;
  for (int64_t r = begin; r < end; ++r) {
    const float* logits = pixel_at(args.logits, r, 0);
    uint64_t* word = row_of(args.active, r);
    for (int64_t x = 0; x < width; ++word) {
      uint64_t bits = 0;
      for (int64_t i = 0; i < kWordPixels && x < width; ++i, ++x, logits += args.logits.stride) {
        bits |= static_cast<uint64_t>(logits[1] + args.bias > logits[0]) << i;
      }
      *word = bits;
    }
  }
}

}  // namespace sparsesr
