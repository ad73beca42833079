// Rows of a quantised map, with the arithmetic of one instruction set: Vector::step converts kValues values. Internal
// linkage, because including files differ in their instruction sets.
#pragma once

#include "kernels/quantise/quantise.h"

namespace sparsesr {
namespace {

template <typename Vector>
void quantise(const QuantiseArgs& args, int64_t begin, int64_t end) {
  const Vector vector(args.factor, args.offset);
  const int64_t values = args.out.width * args.out.stride;
  for (int64_t r = begin; r < end; ++r) {
    const float* x = pixel_at(args.x, r, 0);
    U8* out = pixel_at(args.out, r, 0);
    for (int64_t i = 0; i < values; i += Vector::kValues) vector.step(x + i, out + i);
  }
}

}  // namespace
}  // namespace sparsesr
