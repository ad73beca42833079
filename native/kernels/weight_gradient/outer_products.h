// Sums of outer products in registers: kInputs inputs by kVectors vectors of outputs at a time.
#pragma once

#include "kernels/weight_gradient/weight_gradient.h"

namespace sparsesr {
namespace {

// A block of the sums, whose corner is at input `i` and output `o`.
template <typename Lanes, int kInputs, int kVectors>
inline void add_block(const WeightGradientArgs& args, int64_t i, int64_t o, const int32_t* pixels, int64_t count) {
  using Vector = typename Lanes::Vector;
  constexpr int kWidth = Lanes::kCount;
  float* const sums = args.sums + i * args.out_channels + o;
  Vector acc[kInputs][kVectors];
#pragma GCC unroll 16
  for (int k = 0; k < kInputs; ++k) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) acc[k][v] = Lanes::load(sums + k * args.out_channels + v * kWidth);
  }
  for (int64_t n = 0; n < count; ++n) {
    const float* const in = args.in + pixels[n] * args.in_channels + i;
    const float* const gradient = args.gradient + pixels[n] * args.out_channels + o;
    Vector outputs[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) outputs[v] = Lanes::load(gradient + v * kWidth);
#pragma GCC unroll 16
    for (int k = 0; k < kInputs; ++k) {
      const Vector input = Lanes::broadcast(in + k);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[k][v] = Lanes::add_product(acc[k][v], input, outputs[v]);
    }
  }
#pragma GCC unroll 16
  for (int k = 0; k < kInputs; ++k) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) Lanes::store(sums + k * args.out_channels + v * kWidth, acc[k][v]);
  }
}

template <typename Lanes, int kInputs, int kVectors>
inline void add_products(const WeightGradientArgs& args, const int32_t* pixels, int64_t count) {
  constexpr int64_t kOutputs = kVectors * Lanes::kCount;
  static_assert(kGradientGranule % kInputs == 0 && kGradientGranule % Lanes::kCount == 0);
  for (int64_t i = 0; i < args.in_channels; i += kInputs) {
    int64_t o = 0;
    for (; o + kOutputs <= args.out_channels; o += kOutputs) {
      add_block<Lanes, kInputs, kVectors>(args, i, o, pixels, count);
    }
    for (; o < args.out_channels; o += Lanes::kCount) add_block<Lanes, kInputs, 1>(args, i, o, pixels, count);
  }
}

}  // namespace
}  // namespace sparsesr
