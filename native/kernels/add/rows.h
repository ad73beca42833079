// Reference sum; compiled for each instruction set, with bit-identical results.
#pragma once

#include "kernels/add/add.h"

namespace sparsesr {
namespace {

// All inputs of a block are read before the block is written, because `out` may alias any of them. `slopes` are null
// without leaky ReLU.
template <int64_t kBlock, typename T>
void add_block(const AddArgsOf<T>& args, const T* const* x, int64_t channel, T* out) {
  float sum[kBlock];
  for (int64_t k = 0; k < kBlock; ++k) sum[k] = widen(x[0][channel + k]) * args.factors[0];
  for (int i = 1; i < args.input_count; ++i) {
    for (int64_t k = 0; k < kBlock; ++k) sum[k] += widen(x[i][channel + k]) * args.factors[i];
  }
  if (args.activation == Activation::kRelu) {
    for (int64_t k = 0; k < kBlock; ++k) sum[k] = sum[k] < 0.0f ? 0.0f : sum[k];  // NaN propagates
  } else if (args.activation == Activation::kLeakyRelu) {
    for (int64_t k = 0; k < kBlock; ++k) {
      const float scaled = channel + k < args.channels ? sum[k] * args.slopes[channel + k] : 0.0f;
      sum[k] = sum[k] < 0.0f ? scaled : sum[k];
    }
  }
  for (int64_t k = 0; k < kBlock; ++k) out[channel + k] = narrow<T>(sum[k]);
}

template <int64_t kBlock, typename T>
void add_blocks(const AddArgsOf<T>& args, int64_t begin, int64_t end) {
  const T* x[kMaxAddends];
  for (int64_t r = begin; r < end; ++r) {
    for (int i = 0; i < args.input_count; ++i) x[i] = pixel_at(args.inputs[i], r, 0);
    T* out = pixel_at(args.out, r, 0);
    for (int64_t n = 0; n < args.out.width; ++n, out += args.out.stride) {
      for (int64_t c = 0; c < args.out.stride; c += kBlock) add_block<kBlock>(args, x, c, out);
      for (int i = 0; i < args.input_count; ++i) x[i] += args.out.stride;
    }
  }
}

// Whole vectors of channels, but for images.
template <typename T>
void add(const AddArgsOf<T>& args, int64_t begin, int64_t end) {
  if (args.out.stride % 16 == 0) return add_blocks<16>(args, begin, end);
  add_blocks<kImageStride>(args, begin, end);
}

}  // namespace
}  // namespace sparsesr
