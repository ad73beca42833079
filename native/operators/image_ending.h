// The end of a network in one pass over the rows of its result: pixel shuffle, bicubic skip, conversion.
#pragma once

#include <cstdint>

#include "core/instruction_set.h"
#include "kernels/bicubic/bicubic.h"
#include "kernels/pixel_shuffle/pixel_shuffle.h"
#include "kernels/store/store.h"
#include "operators/pixel_list.h"

namespace sparsesr {

// Windows that only one of the operations writes for the next one need no memory: `bicubic.out`, `shuffle.skip`,
// `shuffle.out` and `store.x` may be empty but for their widths and strides.
struct ImageEnding {
  bool adds_bicubic;
  BicubicArgs bicubic;
  PixelShuffleArgs shuffle;
  StoreArgs store;
};

// Computes rows [r0, r1) of the result: the same bits as the operations one after the other. With `pixels` of the map
// that is shuffled, only what becomes of them is stored.
void run_image_ending(const ImageEnding& ending, Isa isa, int64_t r0, int64_t r1, int threads,
                      const PixelList* pixels = nullptr);

}  // namespace sparsesr
