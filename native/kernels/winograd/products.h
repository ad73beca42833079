// Products of matrices, a block of which is held in registers: kRows rows by kVectors vectors of outputs.
#pragma once

#include <type_traits>

#include "kernels/winograd/winograd.h"

namespace sparsesr {
namespace {

// Sums over k of left[row][k] right[k][output]. A row of `left` is `left_row` values after the one before, its next k
// `left_step` values on; rows of `right` and of the sums are `right_row` values apart.
struct ProductBlock {
  const float* left;
  int64_t left_row;
  int64_t left_step;
  const float* right;
  int64_t right_row;
  int64_t depth;
  float* sums;
  int64_t sums_row;
};

template <typename Lanes, int kRows, int kVectors, bool kAdds>
inline void multiply_block(const ProductBlock& block) {
  using Vector = typename Lanes::Vector;
  constexpr int kWidth = Lanes::kCount;
  Vector sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = kAdds ? Lanes::load(block.sums + r * block.sums_row + v * kWidth) : Vector{};
    }
  }
  for (int64_t k = 0; k < block.depth; ++k) {
    const float* const left = block.left + k * block.left_step;
    const float* const right = block.right + k * block.right_row;
    Vector values[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) values[v] = Lanes::load(right + v * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector factor = Lanes::broadcast(left + r * block.left_row);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Lanes::add_product(sums[r][v], factor, values[v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) Lanes::store(block.sums + r * block.sums_row + v * kWidth, sums[r][v]);
  }
}

// Calls `use` with the first output of each block and whether it is a whole one, which has kVectors vectors.
template <typename Lanes, int kVectors, typename Use>
inline void for_outputs(int64_t channels, const Use& use) {
  constexpr int64_t kOutputs = kVectors * Lanes::kCount;
  int64_t o = 0;
  for (; o + kOutputs <= channels; o += kOutputs) use(o, std::true_type());
  for (; o < channels; o += Lanes::kCount) use(o, std::false_type());
}

// Rows beyond the last tile are computed too, from what lies there, and never read.
template <typename Lanes, int kRows, int kVectors>
inline void multiply_points(const WinogradProductArgs& args) {
  static_assert(kTilesAtOnce % kRows == 0 && kWinogradGranule % Lanes::kCount == 0);
  const int64_t channels = args.channels;
  const int64_t point = tile_point(channels);
  for (int64_t p = 0; p < kWinogradPoints; ++p) {
    float* const results = args.points + p * point;
    const float* const inputs = results + point;
    const float* const weights = args.weights + p * weight_point(channels);
    for (int64_t t = 0; t < args.count; t += kRows) {
      for_outputs<Lanes, kVectors>(channels, [&](int64_t o, auto is_whole) {
        constexpr int kOwn = is_whole ? kVectors : 1;
        multiply_block<Lanes, kRows, kOwn, false>({inputs + t * channels, channels, 1, weights + o * channels,
                                                   kOwn * Lanes::kCount, channels, results + t * channels + o,
                                                   channels});
      });
    }
  }
}

template <typename Lanes, int kRows, int kVectors, bool kAdds>
inline void sum_points(const WinogradSumArgs& args) {
  static_assert(kWinogradGranule % kRows == 0);
  const int64_t channels = args.channels;
  const int64_t point = tile_point(channels);
  for (int64_t p = 0; p < kWinogradPoints; ++p) {
    const float* const inputs = args.inputs + p * point;
    const float* const gradients = args.gradients + p * point;
    float* const sums = args.sums + p * weight_point(channels);
    for (int64_t i = 0; i < channels; i += kRows) {
      for_outputs<Lanes, kVectors>(channels, [&](int64_t o, auto is_whole) {
        multiply_block<Lanes, kRows, is_whole ? kVectors : 1, kAdds>(
            {inputs + i, 1, channels, gradients + o, channels, args.count, sums + i * channels + o, channels});
      });
    }
  }
}

template <typename Lanes, int kRows, int kVectors>
inline void sum_points(const WinogradSumArgs& args) {
  args.is_first ? sum_points<Lanes, kRows, kVectors, false>(args) : sum_points<Lanes, kRows, kVectors, true>(args);
}

}  // namespace
}  // namespace sparsesr
