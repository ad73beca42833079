#include "kernels/pixel_shuffle/rows.h"

namespace sparsesr {

void f32_pixel_shuffle__scalar(const PixelShuffleArgs& args, int64_t begin, int64_t end) {
  shuffle(args, begin, end);
}

}  // namespace sparsesr
