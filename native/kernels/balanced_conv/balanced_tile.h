// Tiles of convolutions with balanced weights, for any vector length. Internal linkage, because including files differ
// in their instruction sets.
//
// Lanes are outputs; as many inputs of a pixel as there are lanes are one vector. Per kept weight: a vector of values
// and one of positions, then for each pixel a permutation of its inputs, in L1, that brings every output its own, and a
// multiply-add. Processors that permute once per cycle are bound by that; a tile has nothing else to do.
//
// `Kernel` is a vector length with its instructions; `Kernel::Sums` are the accumulators of a tile.
#pragma once

#include <type_traits>

#include "kernels/balanced_conv/balanced_weights.h"
#include "kernels/conv/pixel_places.h"
#include "kernels/conv/taps.h"

namespace sparsesr {
namespace {

constexpr int kSmallestTile = 3;
constexpr int64_t kBiasBytes = 4;

// Weights of a vector of outputs at one tap of one input.
template <typename Kernel, int kKept>
struct TapWeights {
  const float* values;
  const uint8_t* positions;

  __attribute__((always_inline)) TapWeights(const std::byte* weights, int64_t channels)
      : values(reinterpret_cast<const float*>(weights)),
        positions(reinterpret_cast<const uint8_t*>(values + channels * kKept)) {}

  // Adds a record at several pixels.
  template <int kPixels, typename Inputs, typename Sums>
  __attribute__((always_inline)) void add_record(int64_t record, Inputs input_at, Sums sum_at) const {
    const float* const first = values + record * kKept * Kernel::kLanes;
    const uint8_t* const place = positions + position_offset<Kernel::kLanes>(record, kKept);
    auto where = Kernel::positions_at(place);
#pragma GCC unroll 8
    for (int step = 0; step < kKept; ++step) {
      if (step > 0) where = step % 2 == 0 ? Kernel::positions_at(place + step / 2) : Kernel::high_half(where);
      const auto weights = Kernel::load(first + step * Kernel::kLanes);
#pragma GCC unroll 24
      for (int p = 0; p < kPixels; ++p) sum_at(p) = Kernel::add(sum_at(p), input_at(p), where, weights);
    }
  }
};

// Records to add at a tap. Channels beyond `always` are zero where it is not set, so the last record may have some.
template <typename Kernel>
__attribute__((always_inline)) inline int64_t record_count(const ConvInput& input, bool is_set) {
  return (is_set ? input.channels : input.always + Kernel::kLanes - 1) / Kernel::kLanes;
}

// One vector of a block, as a block of its own.
template <typename Kernel>
ConvBlock vector_of(const ConvBlock& block, int64_t vector, int64_t vector_bytes) {
  const int64_t first = vector * Kernel::kLanes;
  ConvBlock part = block;
  part.weights = static_cast<const std::byte*>(block.weights) + vector * vector_bytes;
  part.bias += first;
  part.first += first;
  part.width = Kernel::kLanes;
  part.valid = block.valid - first < part.width ? block.valid - first : part.width;
  part.is_last = block.is_last && first + part.width == block.width;
  return part;
}

// One vector of outputs at several pixels.
template <typename Kernel, typename Out, int kKept, int kPixels, typename Places = Scattered<float, kPixels>>
__attribute__((noinline)) void run_balanced_tile(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                        const int32_t* out_pixels, uint32_t taps) {
  typename Kernel::template Sums<Out, 1, kPixels, Places> sums;
  Kernel::prefetch_output(sums, args, block, out_pixels);
  sums.start(args, block, out_pixels);
  const auto* weights = static_cast<const std::byte*>(block.weights);
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const Places x(input, in_pixels);
    for (int tap = 0; tap < args.tap_count; ++tap) {
      const TapWeights<Kernel, kKept> tap_weights(weights, input.channels);
      weights += tap_bytes<Kernel::kLanes>(input.channels, kKept);
      const int64_t records = record_count<Kernel>(input, (taps >> tap & 1) != 0);
      int64_t offset = args.tap_pixels[tap] * input.stride;
      for (int64_t record = 0; record < records; ++record, offset += Kernel::kLanes) {
        tap_weights.template add_record<kPixels>(
            record, [&](int p) { return x.at(p) + offset; }, [&](int p) -> auto& { return sums.acc[p][0]; });
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
  static constexpr int64_t kLineBytes = 64;
  int64_t vector_bytes_;
  int64_t to_next_;
};

// Several vectors of outputs at one pixel: each is a chain of multiply-adds with a stream of weights.
template <typename Kernel, typename Out, int kKept, int kVectors>
__attribute__((noinline)) void run_pixel(const ConvArgs& args, const ConvBlock& block, int64_t vector_bytes,
                                         int32_t in_pixel, int32_t out_pixel) {
  typename Kernel::template Sums<Out, kVectors, 1, Scattered<float, 1>> sums;
  sums.start(args, block, &out_pixel);
  const uint32_t taps = taps_of_any(args, 0, 1);
  const auto* const first = static_cast<const std::byte*>(block.weights);
  const std::byte* weights = first;
  const StreamPrefetch prefetch(vector_bytes, kVectors * vector_bytes + block.width * kBiasBytes);
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const Scattered<float, 1> x(input, &in_pixel);
    for (int tap = 0; tap < args.tap_count; ++tap) {
      const int64_t records = record_count<Kernel>(input, (taps >> tap & 1) != 0);
      const float* channels = x.at(0) + args.tap_pixels[tap] * input.stride;
      for (int64_t record = 0; record < records; ++record, channels += Kernel::kLanes) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          constexpr int64_t kBytes = kKept * Kernel::kLanes * 4;
          prefetch(first + v * vector_bytes, weights - first + record * kBytes, kBytes);
          const TapWeights<Kernel, kKept> tap_weights(weights + v * vector_bytes, input.channels);
          tap_weights.template add_record<1>(
              record, [&](int) { return channels; }, [&](int) -> auto& { return sums.acc[0][v]; });
        }
      }
      weights += tap_bytes<Kernel::kLanes>(input.channels, kKept);
    }
  }
  sums.finish(args, block, &out_pixel);
}

template <typename Kernel, typename Out, int kKept>
void run_one_pixel(const ConvArgs& args, const ConvBlock& block, int64_t vector_bytes, int32_t in_pixel,
                   int32_t out_pixel) {
  if (block.width == Kernel::kVectors * Kernel::kLanes) {
    return run_pixel<Kernel, Out, kKept, Kernel::kVectors>(args, block, vector_bytes, in_pixel, out_pixel);
  }
  for (int64_t v = 0; v < block.width / Kernel::kLanes; ++v) {
    run_pixel<Kernel, Out, kKept, 1>(args, vector_of<Kernel>(block, v, vector_bytes), 0, in_pixel, out_pixel);
  }
}

using RunBalancedTile = void(const ConvArgs&, const ConvBlock&, const int32_t*, const int32_t*, uint32_t);

// Full tiles of adjacent pixels, where most of the work is, have no pointers to load.
template <typename Kernel, typename Out, int kKept>
RunBalancedTile* adjacent_tile(const ConvArgs& args) {
  if constexpr (std::is_same_v<Out, float>) {
    switch (common_stride(args)) {
      case 32: return run_balanced_tile<Kernel, Out, kKept, Kernel::kTilePixels, SideBySide<float, 32>>;
      case 64: return run_balanced_tile<Kernel, Out, kKept, Kernel::kTilePixels, SideBySide<float, 64>>;
      default: break;
    }
  }
  return run_balanced_tile<Kernel, Out, kKept, Kernel::kTilePixels>;
}

// Fewer pixels than a tile holds: repeats the last one in the smallest sufficient tile. Repeats are safe, because a
// tile reads all addends before it writes.
template <typename Kernel, typename Out, int kKept, int kPixels>
void run_rest(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count, uint32_t taps) {
  if constexpr (kPixels > kSmallestTile) {
    if (count <= kPixels / 2) {
      return run_rest<Kernel, Out, kKept, kPixels / 2>(args, block, in_pixels, out_pixels, count, taps);
    }
  }
  int32_t in[kPixels];
  int32_t out[kPixels];
  repeat_last(in_pixels, count, kPixels, in);
  repeat_last(out_pixels, count, kPixels, out);
  run_balanced_tile<Kernel, Out, kKept, kPixels>(args, block, in, out, taps);
}

// Prefetches the last tap of pixels: the rows above were read by preceding ones. Not a part of the tile, whose code
// would spill pointers for it.
__attribute__((noinline)) void prefetch_pixels(const ConvArgs& args, const int32_t* pixels, int count) {
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const int64_t shift = input.shift + args.tap_pixels[args.tap_count - 1];
    for (int p = 0; p < count; ++p) {
      const float* const x = static_cast<const float*>(input.data) + (pixels[p] + shift) * input.stride;
      for (int64_t c = 0; c < input.channels; c += kLineFloats) __builtin_prefetch(x + c);
    }
  }
}

template <typename Kernel, typename Out, int kKept>
void run_kept(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count) {
  constexpr int kPixels = Kernel::kTilePixels;
  const int64_t vector_bytes = bytes_per_vector<Kernel::kLanes>(block);
  if (count == 1) return run_one_pixel<Kernel, Out, kKept>(args, block, vector_bytes, *in_pixels, *out_pixels);
  RunBalancedTile* const run_adjacent = adjacent_tile<Kernel, Out, kKept>(args);
  RunBalancedTile* const run_scattered = run_balanced_tile<Kernel, Out, kKept, kPixels>;
  const int64_t vectors = block.width / Kernel::kLanes;
  int64_t n = 0;
  for (; n + kPixels <= count; n += kPixels) {
    const uint32_t taps = taps_of_any(args, n, kPixels);
    RunBalancedTile* const run = are_side_by_side<kPixels>(in_pixels + n) ? run_adjacent : run_scattered;
    if (block.first == 0 && n + 2 * kPixels <= count) prefetch_pixels(args, in_pixels + n + kPixels, kPixels);
    for (int64_t v = 0; v < vectors; ++v) {
      run(args, vector_of<Kernel>(block, v, vector_bytes), in_pixels + n, out_pixels + n, taps);
    }
  }
  if (n == count) return;
  const uint32_t taps = taps_of_any(args, n, count - n);
  for (int64_t v = 0; v < vectors; ++v) {
    run_rest<Kernel, Out, kKept, kPixels>(args, vector_of<Kernel>(block, v, vector_bytes), in_pixels + n,
                                          out_pixels + n, count - n, taps);
  }
}

template <typename Kernel, typename Out, int kKept = 1>
void convolve_balanced(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                       const int32_t* out_pixels, int64_t count) {
  if constexpr (kKept < max_kept(Kernel::kLanes)) {
    if (block.layout_steps > kKept) {
      return convolve_balanced<Kernel, Out, kKept + 1>(args, block, in_pixels, out_pixels, count);
    }
  }
  run_kept<Kernel, Out, kKept>(args, block, in_pixels, out_pixels, count);
}

}  // namespace
}  // namespace sparsesr
