// Tiles of convolutions with balanced weights, for any vector length and type of inputs. Internal linkage, because
// including files differ in their instruction sets.
//
// Lanes are outputs; a vector of inputs of a pixel is a block. Per step: a vector of values and one of positions, then
// for each pixel a permutation of its inputs that brings every output its own, and a multiply-add. Processors are bound
// by the ports of these two; a tile has nothing else to do.
//
// `Kernel` is a type of inputs and a vector length with their instructions; `Kernel::Sums` are a tile's accumulators.
#pragma once

#include <type_traits>

#include "kernels/balanced_conv/balanced_weights.h"
#include "kernels/conv/pixel_places.h"
#include "kernels/conv/taps.h"

namespace sparsesr {
namespace {

constexpr int kSmallestTile = 3;
constexpr int64_t kLineBytes = 64;

template <typename Kernel>
using InputOf = typename Kernel::Product::Value;

template <typename Kernel>
using FormatOf = BalancedFormat<InputOf<Kernel>, Kernel::kLanes>;

// Weights of a vector of outputs at one tap of one input, from some record on.
template <typename Kernel>
class TapWeights {
 public:
  using Format = FormatOf<Kernel>;

  __attribute__((always_inline)) TapWeights(const std::byte* weights, int64_t channels, int64_t steps,
                                            int64_t record = 0)
      : values_(weights + record * steps * Format::kVectorBytes),
        positions_(reinterpret_cast<const uint8_t*>(weights + Format::value_bytes(channels, steps))),
        byte_(record * Format::position_bytes(steps)) {}

  // Adds the next record at several pixels.
  template <int kPixels, typename Places, typename Sums>
  __attribute__((always_inline)) void add_record(int64_t steps, const Places& x, int64_t offset, Sums sum_at) {
    if constexpr (Kernel::kPairsSteps) {
      if constexpr (kPixels == 1) {
#pragma GCC unroll 4
        for (int64_t pairs = steps / 2; pairs > 0; --pairs) add_pair<kPixels>(x, offset, sum_at);
      } else {
        for (int64_t pairs = steps / 2; pairs > 0; --pairs) add_pair<kPixels>(x, offset, sum_at);
      }
      if (steps % 2 != 0) add_step<kPixels>(0, x, offset, sum_at);
    } else {
#pragma GCC unroll 4
      for (int64_t step = 0; step < steps; ++step) add_step<kPixels>(step, x, offset, sum_at);
    }
  }

 private:
  // Two steps: the inputs of a pixel are loaded once for both.
  template <int kPixels, typename Places, typename Sums>
  __attribute__((always_inline)) void add_pair(const Places& x, int64_t& offset, Sums sum_at) {
    const auto where = Kernel::positions_at(place(0));
    const auto then_where = Kernel::next_positions(where, place(1));
    const auto weights = Kernel::load(values_);
    const auto then_weights = Kernel::load(values_ + Format::kVectorBytes);
    __asm__("" : "+r"(offset));  // else compilers load all inputs before the loop of pairs, and spill them
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) {
      const auto inputs = Kernel::load_inputs(x.at(p) + offset);
      sum_at(p) = Kernel::add(sum_at(p), inputs, where, weights);
      sum_at(p) = Kernel::add(sum_at(p), inputs, then_where, then_weights);
    }
    values_ += 2 * Format::kVectorBytes;
    byte_ += 2 / Format::kStepsPerByte;
  }

  // One step; `step` counts from a whole byte of positions.
  template <int kPixels, typename Places, typename Sums>
  __attribute__((always_inline)) void add_step(int64_t step, const Places& x, int64_t offset, Sums sum_at) {
    const bool is_second = step % Format::kStepsPerByte != 0;
    auto where = Kernel::positions_at(place(is_second ? -1 : 0));
    if (is_second) where = Kernel::next_positions(where, nullptr);
    const auto weights = Kernel::load(values_);
#pragma GCC unroll 24
    for (int p = 0; p < kPixels; ++p) {
      sum_at(p) = Kernel::add(sum_at(p), Kernel::load_inputs(x.at(p) + offset), where, weights);
    }
    values_ += Format::kVectorBytes;
    if (!is_second) ++byte_;
  }

  __attribute__((always_inline)) const uint8_t* place(int64_t bytes_later) const {
    return positions_ + Format::position_offset(byte_ + bytes_later);
  }

  const std::byte* values_;
  const uint8_t* positions_;
  int64_t byte_;  // of the positions of the next step
};

// Records to add at a tap. Channels beyond `always` are zero where it is not set, so the last record may have some.
template <typename Kernel>
__attribute__((always_inline)) inline int64_t record_count(const ConvInput& input, bool is_set) {
  constexpr int64_t kBlock = FormatOf<Kernel>::kBlock;
  return (is_set ? input.channels : input.always + kBlock - 1) / kBlock;
}

// One vector of a block, as a block of its own.
template <typename Kernel>
ConvBlock vector_of(const ConvBlock& block, int64_t vector, int64_t vector_bytes) {
  const int64_t first = vector * Kernel::kLanes;
  ConvBlock part = block;
  part.weights = static_cast<const std::byte*>(block.weights) + vector * vector_bytes;
  part.bias += first;
  if constexpr (Kernel::Product::kWholeSums) {
    part.scales += first;
    part.starts += first;
  }
  part.first += first;
  part.width = Kernel::kLanes;
  part.valid = block.valid - first < part.width ? block.valid - first : part.width;
  part.is_last = block.is_last && first + part.width == block.width;
  return part;
}

// One vector of outputs at several pixels. kSteps is the number of steps, 0 if that is known only to the block: small
// numbers are worth code of their own.
template <typename Kernel, typename Out, int kSteps, int kPixels, typename Places = Scattered<InputOf<Kernel>, kPixels>>
__attribute__((noinline)) void run_balanced_tile(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                        const int32_t* out_pixels, uint32_t taps) {
  using Format = FormatOf<Kernel>;
  typename Kernel::template Sums<Out, 1, kPixels, Places> sums;
#pragma GCC unroll 24
  for (int p = 0; p < kPixels; ++p) __builtin_prefetch(pixel_of<Out>(args.out, out_pixels[p]) + block.first, 1);
  sums.start(args, block, out_pixels);
  const int64_t steps = kSteps > 0 ? kSteps : block.layout_steps;
  const auto* weights = static_cast<const std::byte*>(block.weights);
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const Places x(input, in_pixels);
    for (int tap = 0; tap < args.tap_count; ++tap) {
      TapWeights<Kernel> tap_weights(weights, input.channels, steps);
      weights += Format::tap_bytes(input.channels, steps);
      const int64_t records = record_count<Kernel>(input, (taps >> tap & 1) != 0);
      int64_t offset = args.tap_pixels[tap] * input.stride;
      for (int64_t record = 0; record < records; ++record, offset += Format::kBlock) {
        tap_weights.template add_record<kPixels>(steps, x, offset, [&](int p) -> auto& { return sums.acc[p][0]; });
      }
    }
  }
  sums.finish(args, block, out_pixels);
}

// Prefetches what a stream of weights reads soon: later weights of the vector, or the first of the next block's.
class StreamPrefetch {
 public:
  StreamPrefetch(int64_t vector_bytes, int64_t block_bytes)
      : vector_bytes_(vector_bytes), to_next_(block_bytes - vector_bytes) {}

  // `offset` counts from the start of the vector.
  __attribute__((always_inline)) void operator()(const std::byte* vector, int64_t offset, int64_t bytes) const {
    const std::byte* place = vector + offset + kAheadBytes;
    if (offset + kAheadBytes >= vector_bytes_) place += to_next_;
    for (int64_t b = 0; b < bytes; b += kLineBytes) __builtin_prefetch(place + b);
  }

 private:
  static constexpr int64_t kAheadBytes = 1536;
  int64_t vector_bytes_;
  int64_t to_next_;
};

// Several vectors of outputs at one pixel: each is a chain of multiply-adds with a stream of weights.
template <typename Kernel, typename Out, int kSteps, int kVectors>
__attribute__((noinline)) void run_pixel(const ConvArgs& args, const ConvBlock& block, int64_t vector_bytes,
                                         int32_t in_pixel, int32_t out_pixel) {
  using Format = FormatOf<Kernel>;
  constexpr int64_t kNumberBytes = Kernel::Product::kWholeSums ? 12 : 4;  // of an output
  typename Kernel::template Sums<Out, kVectors, 1, Scattered<InputOf<Kernel>, 1>> sums;
  sums.start(args, block, &out_pixel);
  const uint32_t taps = taps_of_any(args, 0, 1);
  const auto* const first = static_cast<const std::byte*>(block.weights);
  const std::byte* weights = first;
  const StreamPrefetch prefetch(vector_bytes, kVectors * vector_bytes + block.width * kNumberBytes);
  constexpr int64_t kRecordBytes = kSteps * Format::kVectorBytes;
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const Scattered<InputOf<Kernel>, 1> x(input, &in_pixel);
    for (int tap = 0; tap < args.tap_count; ++tap) {
      const int64_t records = record_count<Kernel>(input, (taps >> tap & 1) != 0);
      int64_t offset = args.tap_pixels[tap] * input.stride;
      for (int64_t record = 0; record < records; ++record, offset += Format::kBlock) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          prefetch(first + v * vector_bytes, weights - first + record * kRecordBytes, kRecordBytes);
          TapWeights<Kernel> tap_weights(weights + v * vector_bytes, input.channels, kSteps, record);
          tap_weights.template add_record<1>(kSteps, x, offset, [&](int) -> auto& { return sums.acc[0][v]; });
        }
      }
      weights += Format::tap_bytes(input.channels, kSteps);
    }
  }
  sums.finish(args, block, &out_pixel);
}

// Its loops are short, so that every number of steps has code of its own.
template <typename Kernel, typename Out, int kSteps = FormatOf<Kernel>::kMostSteps>
void run_one_pixel(const ConvArgs& args, const ConvBlock& block, int32_t in_pixel, int32_t out_pixel) {
  if constexpr (kSteps > 1) {
    if (block.layout_steps != kSteps) {
      return run_one_pixel<Kernel, Out, kSteps - 1>(args, block, in_pixel, out_pixel);
    }
  }
  const int64_t vector_bytes = bytes_per_vector<Kernel::kLanes>(block);
  if (block.width == Kernel::kVectors * Kernel::kLanes) {
    return run_pixel<Kernel, Out, kSteps, Kernel::kVectors>(args, block, vector_bytes, in_pixel, out_pixel);
  }
  for (int64_t v = 0; v < block.width / Kernel::kLanes; ++v) {
    run_pixel<Kernel, Out, kSteps, 1>(args, vector_of<Kernel>(block, v, vector_bytes), 0, in_pixel, out_pixel);
  }
}

using RunBalancedTile = void(const ConvArgs&, const ConvBlock&, const int32_t*, const int32_t*, uint32_t);

// Full tiles of adjacent pixels, where most of the work is, have no pointers to load.
template <typename Kernel, typename Out, int kSteps>
RunBalancedTile* adjacent_tile(const ConvArgs& args) {
  using In = InputOf<Kernel>;
  switch (common_stride(args)) {
    case 32: return run_balanced_tile<Kernel, Out, kSteps, Kernel::kTilePixels, SideBySide<In, 32>>;
    case 64: return run_balanced_tile<Kernel, Out, kSteps, Kernel::kTilePixels, SideBySide<In, 64>>;
    default: return run_balanced_tile<Kernel, Out, kSteps, Kernel::kTilePixels>;
  }
}

// Fewer pixels than a tile holds: repeats the last one in the smallest sufficient tile. Repeats are safe, because a
// tile reads all addends before it writes.
template <typename Kernel, typename Out, int kSteps, int kPixels>
void run_rest(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count, uint32_t taps) {
  if constexpr (kPixels > kSmallestTile) {
    if (count <= kPixels / 2) {
      return run_rest<Kernel, Out, kSteps, kPixels / 2>(args, block, in_pixels, out_pixels, count, taps);
    }
  }
  int32_t in[kPixels];
  int32_t out[kPixels];
  repeat_last(in_pixels, count, kPixels, in);
  repeat_last(out_pixels, count, kPixels, out);
  run_balanced_tile<Kernel, Out, kSteps, kPixels>(args, block, in, out, taps);
}

// Prefetches the last tap of pixels: the rows above were read by preceding ones. Not a part of the tile, whose code
// would spill pointers for it.
template <typename Input>
__attribute__((noinline)) void prefetch_pixels(const ConvArgs& args, const int32_t* pixels, int count) {
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const int64_t shift = input.shift + args.tap_pixels[args.tap_count - 1];
    for (int p = 0; p < count; ++p) {
      const Input* const x = static_cast<const Input*>(input.data) + (pixels[p] + shift) * input.stride;
      for (int64_t c = 0; c < input.channels; c += kLineBytes / sizeof(Input)) __builtin_prefetch(x + c);
    }
  }
}

template <typename Kernel, typename Out, int kSteps>
void run_steps(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
               int64_t count) {
  constexpr int kPixels = Kernel::kTilePixels;
  const int64_t vector_bytes = bytes_per_vector<Kernel::kLanes>(block);
  RunBalancedTile* const run_adjacent = adjacent_tile<Kernel, Out, kSteps>(args);
  RunBalancedTile* const run_scattered = run_balanced_tile<Kernel, Out, kSteps, kPixels>;
  const int64_t vectors = block.width / Kernel::kLanes;
  int64_t n = 0;
  for (; n + kPixels <= count; n += kPixels) {
    const uint32_t taps = taps_of_any(args, n, kPixels);
    RunBalancedTile* const run = are_side_by_side<kPixels>(in_pixels + n) ? run_adjacent : run_scattered;
    if (block.first == 0 && n + 2 * kPixels <= count) {
      prefetch_pixels<InputOf<Kernel>>(args, in_pixels + n + kPixels, kPixels);
    }
    for (int64_t v = 0; v < vectors; ++v) {
      run(args, vector_of<Kernel>(block, v, vector_bytes), in_pixels + n, out_pixels + n, taps);
    }
  }
  if (n == count) return;
  const uint32_t taps = taps_of_any(args, n, count - n);
  for (int64_t v = 0; v < vectors; ++v) {
    run_rest<Kernel, Out, kSteps, kPixels>(args, vector_of<Kernel>(block, v, vector_bytes), in_pixels + n,
                                           out_pixels + n, count - n, taps);
  }
}

template <typename Kernel, typename Out, int kSteps = Kernel::kMostFixedSteps>
void convolve_balanced(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                       const int32_t* out_pixels, int64_t count) {
  if (count == 1) return run_one_pixel<Kernel, Out>(args, block, *in_pixels, *out_pixels);
  if constexpr (kSteps > 0) {
    if (block.layout_steps != kSteps) {
      return convolve_balanced<Kernel, Out, kSteps - 1>(args, block, in_pixels, out_pixels, count);
    }
  }
  run_steps<Kernel, Out, kSteps>(args, block, in_pixels, out_pixels, count);
}

}  // namespace
}  // namespace sparsesr
