// The transforms of F(4x4, 3x3) with the points 0, 1, -1, 2, -2 and infinity, in one dimension and of whole tiles.
#pragma once

#include <utility>

#include "kernels/winograd/winograd.h"

namespace sparsesr {
namespace {

constexpr int kSide = 4;
constexpr int kPatch = 6;  // inputs of a tile, and points, per dimension
constexpr int kKernel = 3;

// Each `apply` reads kFrom values and writes kTo.
struct InputTransform {
  static constexpr int kFrom = kPatch;
  static constexpr int kTo = kPatch;

  template <typename V>
  __attribute__((always_inline)) static void apply(const V (&d)[kFrom], V (&to)[kTo]) {
    const V even = d[4] - d[2] * 4.0f;
    const V odd = d[3] - d[1] * 4.0f;
    const V even2 = d[4] - d[2];
    const V odd2 = (d[3] - d[1]) * 2.0f;
    to[0] = (d[0] - d[2]) * 4.0f + even2;
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even2 + odd2;
    to[4] = even2 - odd2;
    to[5] = (d[1] - d[3]) * 4.0f + (d[5] - d[3]);
  }
};

struct OutputTransform {
  static constexpr int kFrom = kPatch;
  static constexpr int kTo = kSide;

  template <typename V>
  __attribute__((always_inline)) static void apply(const V (&m)[kFrom], V (&to)[kTo]) {
    const V sum = m[1] + m[2];
    const V difference = m[1] - m[2];
    const V sum2 = m[3] + m[4];
    const V difference2 = m[3] - m[4];
    to[0] = m[0] + sum + sum2;
    to[1] = difference + difference2 * 2.0f;
    to[2] = sum + sum2 * 4.0f;
    to[3] = difference + difference2 * 8.0f + m[5];
  }
};

// Transpose of OutputTransform: of gradients.
struct GradientTransform {
  static constexpr int kFrom = kSide;
  static constexpr int kTo = kPatch;

  template <typename V>
  __attribute__((always_inline)) static void apply(const V (&y)[kFrom], V (&to)[kTo]) {
    const V even = y[0] + y[2];
    const V odd = y[1] + y[3];
    const V even2 = y[0] + y[2] * 4.0f;
    const V odd2 = y[1] * 2.0f + y[3] * 8.0f;
    to[0] = y[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even2 + odd2;
    to[4] = even2 - odd2;
    to[5] = y[3];
  }
};

struct WeightTransform {
  static constexpr int kFrom = kKernel;
  static constexpr int kTo = kPatch;

  template <typename V>
  __attribute__((always_inline)) static void apply(const V (&g)[kFrom], V (&to)[kTo]) {
    const V even = (g[0] + g[2]) * (-1.0f / 6.0f);
    const V odd = g[1] * (1.0f / 6.0f);
    const V even2 = g[0] * (1.0f / 24.0f) + g[2] * (1.0f / 6.0f);
    const V odd2 = g[1] * (1.0f / 12.0f);
    to[0] = g[0] * 0.25f;
    to[1] = even - odd;
    to[2] = even + odd;
    to[3] = even2 + odd2;
    to[4] = even2 - odd2;
    to[5] = g[2];
  }
};

// Transpose of WeightTransform.
struct WeightGradientTransform {
  static constexpr int kFrom = kPatch;
  static constexpr int kTo = kKernel;

  template <typename V>
  __attribute__((always_inline)) static void apply(const V (&s)[kFrom], V (&to)[kTo]) {
    const V even = (s[1] + s[2]) * (-1.0f / 6.0f);
    const V even2 = s[3] + s[4];
    to[0] = s[0] * 0.25f + even + even2 * (1.0f / 24.0f);
    to[1] = (s[2] - s[1]) * (1.0f / 6.0f) + (s[3] - s[4]) * (1.0f / 12.0f);
    to[2] = even + even2 * (1.0f / 6.0f) + s[5];
  }
};

// In both dimensions: `load(row, column)` gives the values, `store(row, column, value)` takes the results.
template <typename Transform, typename Lanes, typename Load, typename Store>
__attribute__((always_inline)) inline void transform_square(const Load& load, const Store& store) {
  using V = typename Lanes::Vector;
  V columns[Transform::kTo][Transform::kFrom];
#pragma GCC unroll 6
  for (int x = 0; x < Transform::kFrom; ++x) {
    V from[Transform::kFrom];
    V to[Transform::kTo];
#pragma GCC unroll 6
    for (int y = 0; y < Transform::kFrom; ++y) from[y] = load(y, x);
    Transform::apply(from, to);
#pragma GCC unroll 6
    for (int y = 0; y < Transform::kTo; ++y) columns[y][x] = to[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < Transform::kTo; ++y) {
    V to[Transform::kTo];
    Transform::apply(columns[y], to);
#pragma GCC unroll 6
    for (int x = 0; x < Transform::kTo; ++x) store(y, x, to[x]);
  }
}

// Tiles of a map to points; `offset`: of a tile's first value of the transform from its place.
template <typename Transform, typename Lanes>
inline void transform_tiles(const WinogradInputArgs& args, int64_t offset) {
  const int64_t channels = args.shape.channels;
  const int64_t row = args.shape.row();
  const int64_t point = tile_point(channels);
  for (int64_t t = 0; t < args.count; ++t) {
    const float* const tile = args.map + args.places[t] * channels + offset;
    float* const points = args.points + t * channels;
    for (int64_t c = 0; c < channels; c += Lanes::kCount) {
      transform_square<Transform, Lanes>(
          [&](int y, int x) { return Lanes::load(tile + y * row + x * channels + c); },
          [&](int y, int x, typename Lanes::Vector value) {
            Lanes::store(points + (y * kPatch + x) * point + c, value);
          });
    }
  }
}

template <typename Lanes>
inline void transform_inputs(const WinogradInputArgs& args) {
  transform_tiles<InputTransform, Lanes>(args, 0);
}

template <typename Lanes>
inline void transform_gradients(const WinogradInputArgs& args) {
  transform_tiles<GradientTransform, Lanes>(args, args.shape.row() + args.shape.channels);
}

template <WinogradFinish kFinish, typename Lanes>
inline void write_tile(const WinogradOutputArgs& args, int64_t t) {
  using V = typename Lanes::Vector;
  const int64_t channels = args.shape.channels;
  const int64_t row = args.shape.row();
  const int64_t point = tile_point(channels);
  const int64_t first = args.places[t] * channels + row + channels;
  const float* const points = args.points + t * channels;
  constexpr bool kHasBias = kFinish == WinogradFinish::kRelu || kFinish == WinogradFinish::kAdd;
  const unsigned active = kHasBias ? args.active[t] : 0;
  for (int64_t c = 0; c < channels; c += Lanes::kCount) {
    const V bias = kHasBias ? Lanes::load(args.bias + c) : V{};
    transform_square<OutputTransform, Lanes>(
        [&](int y, int x) { return Lanes::load(points + (y * kPatch + x) * point + c); },
        [&](int y, int x, V value) {
          const int64_t place = first + y * row + x * channels + c;
          const bool is_active = (active >> (y * kSide + x) & 1u) != 0;
          if constexpr (kFinish == WinogradFinish::kRelu) {
            value = Lanes::positive(value + bias, is_active);
          } else if constexpr (kFinish == WinogradFinish::kAdd) {
            value = Lanes::load(args.other + place) + Lanes::only_if(is_active, value + bias);
          } else {
            if constexpr (kFinish == WinogradFinish::kAddKept) value = value + Lanes::load(args.map + place);
            value = Lanes::where_positive(Lanes::load(args.other + place), value);
          }
          Lanes::store(args.map + place, value);
        });
  }
}

template <typename Lanes>
inline void write_outputs(const WinogradOutputArgs& args) {
  for (int64_t t = 0; t < args.count; ++t) {
    switch (args.finish) {
      case WinogradFinish::kRelu: write_tile<WinogradFinish::kRelu, Lanes>(args, t); break;
      case WinogradFinish::kAdd: write_tile<WinogradFinish::kAdd, Lanes>(args, t); break;
      case WinogradFinish::kKept: write_tile<WinogradFinish::kKept, Lanes>(args, t); break;
      case WinogradFinish::kAddKept: write_tile<WinogradFinish::kAddKept, Lanes>(args, t); break;
    }
  }
}

// Transformed weights lie in panels of kVectors vectors of outputs, as the products read them: the panel from output o on
// begins at o * channels. What is left of the outputs is in panels of one vector.
template <typename Lanes, int kVectors>
inline void transform_weights(const WinogradWeightArgs& args) {
  constexpr int64_t kPanel = kVectors * Lanes::kCount;
  const int64_t channels = args.channels;
  const int64_t size = channels * channels;
  const int64_t point = weight_point(channels);
  for (int64_t i = 0; i < size; i += Lanes::kCount) {
    const int64_t input = i / channels;
    const int64_t output = i % channels;
    const bool is_whole = output / kPanel * kPanel + kPanel <= channels;
    const int64_t width = is_whole ? kPanel : Lanes::kCount;
    const int64_t in_panel = is_whole ? output % kPanel : 0;
    float* const to = args.to + (output - in_panel) * channels + input * width + in_panel;
    transform_square<WeightTransform, Lanes>(
        [&](int y, int x) { return Lanes::load(args.from + (y * kKernel + x) * size + i); },
        [&](int y, int x, typename Lanes::Vector value) { Lanes::store(to + (y * kPatch + x) * point, value); });
  }
}

template <typename Lanes>
inline void add_weight_gradients(const WinogradWeightArgs& args) {
  const int64_t size = args.channels * args.channels;
  const int64_t point = weight_point(args.channels);
  for (int64_t i = 0; i < size; i += Lanes::kCount) {
    transform_square<WeightGradientTransform, Lanes>(
        [&](int y, int x) { return Lanes::load(args.from + (y * kPatch + x) * point + i); },
        [&](int y, int x, typename Lanes::Vector value) {
          float* const to = args.to + (y * kKernel + x) * size + i;
          Lanes::store(to, Lanes::load(to) + value);
        });
  }
}

}  // namespace
}  // namespace sparsesr
