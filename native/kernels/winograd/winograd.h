// 3x3 convolutions in fp32 by Winograd's minimal filtering F(4x4, 3x3), and the gradients of their weights: Lavin and
// Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016). 36 multiplications replace the 144 of 4x4
// outputs. For training: sums are rounded otherwise than in a direct convolution, and any pixel of a tile may affect
// them.
//
// Maps have zeros around the image: one pixel above and to the left, and at least one below and to the right of the
// last tile. A tile is 4x4 pixels; `place` is the number of its first pixel, counted from pixel (0, 0) in rows of
// `columns` pixels. Maps start at pixel (-1, -1), so that `place` is also where the tile's 6x6 inputs start.
// Numbers of channels are multiples of kWinogradGranule.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sparsesr {

constexpr int64_t kWinogradGranule = 16;
constexpr int64_t kTileSide = 4;
constexpr int64_t kWinogradPoints = 36;  // 6x6 transformed values per tile and channel
constexpr int64_t kTilesAtOnce = 24;

// Values from one point to the next, of transformed tiles [kTilesAtOnce][channels] and of transformed weights or their
// sums [inputs][outputs]. The gap keeps the points of a tile, or of a weight, from sharing sets of the cache.
constexpr int64_t tile_point(int64_t channels) { return kTilesAtOnce * channels + kWinogradGranule; }
constexpr int64_t weight_point(int64_t channels) { return channels * channels + kWinogradGranule; }

struct WinogradMap {
  int64_t columns;
  int64_t channels;

  int64_t row() const { return columns * channels; }
};

struct WinogradInputArgs {
  WinogradMap shape;
  const float* map;
  const int32_t* places;
  int64_t count;  // at most kTilesAtOnce
  float* points;
};

// points[p][t] = sum of inputs [p][t] times weights[p]; The inputs lie one point after the
// results, so each result overwrites inputs that are no longer needed.
struct WinogradProductArgs {
  const float* weights;
  int64_t channels;
  int64_t count;
  float* points;
};

// How a convolution's result r, plus bias, is written.
enum class WinogradFinish {
  kRelu,     // max(r, 0); zero at inactive pixels
  kAdd,      // other + r; other at inactive pixels
  kKept,     // r where other, the result of a ReLU, is positive, else zero; without bias
  kAddKept,  // the same of r + what the map holds
};

struct WinogradOutputArgs {
  WinogradMap shape;
  const float* points;
  const int32_t* places;
  const uint16_t* active;  // 16 bits per tile, row by row; not read for the last two finishes
  int64_t count;
  const float* bias;
  WinogradFinish finish;
  const float* other;
  float* map;  // may be `other`
};

// sums[p] += sum over tiles of the outer products of inputs[p][t] and gradients[p][t], or without the sums before.
struct WinogradSumArgs {
  const float* inputs;
  const float* gradients;
  int64_t channels;
  int64_t count;
  bool is_first;  // overwrites the sums instead of adding to them
  float* sums;
};

// Between [3][3][inputs][outputs] and transformed weights, whose order only the kernels of an instruction set know, or
// sums. Gradients are added to.
struct WinogradWeightArgs {
  const float* from;
  int64_t channels;
  float* to;
};

using WinogradInputKernel = void(const WinogradInputArgs& args);
using WinogradProductKernel = void(const WinogradProductArgs& args);
using WinogradOutputKernel = void(const WinogradOutputArgs& args);
using WinogradSumKernel = void(const WinogradSumArgs& args);
using WinogradWeightKernel = void(const WinogradWeightArgs& args);

}  // namespace sparsesr
