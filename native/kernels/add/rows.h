// Reference weighted sum; compiled for each instruction set, with bit-identical results.
#pragma once

#include "kernels/add/add.h"

namespace sparsesr {
namespace {

// All inputs of a block are read before the block is written, because `out` may alias any of them. kBlock divides the
// stride.
template <int64_t kBlock>
void add_pixel(const AddArgs& args, const float* const* x, float* out) {
  for (int64_t c = 0; c < args.out.stride; c += kBlock) {
    float sum[kBlock];
    for (int64_t k = 0; k < kBlock; ++k) sum[k] = x[0][c + k] * args.factors[0];
    for (int i = 1; i < args.input_count; ++i) {
      for (int64_t k = 0; k < kBlock; ++k) sum[k] += x[i][c + k] * args.factors[i];
    }
    if (args.activation == Activation::kRelu) {
      for (int64_t k = 0; k < kBlock; ++k) sum[k] = sum[k] < 0.0f ? 0.0f : sum[k];  // NaN propagates
    } else if (args.activation == Activation::kLeakyRelu) {
      for (int64_t k = 0; k < kBlock; ++k) {
        const float scaled = c + k < args.channels ? sum[k] * args.slopes[c + k] : 0.0f;
        sum[k] = sum[k] < 0.0f ? scaled : sum[k];
      }
    }
    for (int64_t k = 0; k < kBlock; ++k) out[c + k] = sum[k];
  }
}

template <int64_t kBlock>
void add_rows(const AddArgs& args, int64_t begin, int64_t end) {
  const float* x[kMaxAddends];
  for (int64_t r = begin; r < end; ++r) {
    for (int i = 0; i < args.input_count; ++i) x[i] = pixel_at(args.inputs[i], r, 0);
    float* out = pixel_at(args.out, r, 0);
    for (int64_t n = 0; n < args.out.width; ++n, out += args.out.stride) {
      add_pixel<kBlock>(args, x, out);
      for (int i = 0; i < args.input_count; ++i) x[i] += args.out.stride;
    }
  }
}

// Images have four values per pixel, other maps a multiple of sixteen.
inline void add(const AddArgs& args, int64_t begin, int64_t end) {
  if (args.out.stride % 16 == 0) return add_rows<16>(args, begin, end);
  add_rows<4>(args, begin, end);
}

}  // namespace
}  // namespace sparsesr
