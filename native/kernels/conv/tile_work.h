// A tiled convolution's state, and the results that it writes one pass later. Local to each file that includes this.
#pragma once

#include "kernels/conv/tile_copies.h"
#include "kernels/conv/tile_results.h"

namespace sparsesr {
namespace {

constexpr int64_t kMostOutputBytes = kMaxBlockOutputs * sizeof(float);

// Where the results of a pixel group go, by row: in the first output of the block. Unwanted ones go to `unwanted`.
struct Targets {
  char* of_row[kGroupPixels];
  char* copy_of_row[kGroupPixels];  // set if there are copies
};

template <typename Product>
struct alignas(64) Scratch {
  Ring ring;
  TileSums<typename Product::Sum> sums;
  TileSums<typename Product::Sum> starts;
  Targets targets[2];  // of this group and the one before
  typename Product::Numbers numbers;
  char unwanted[kMostOutputBytes];
  Step steps[kMaxTileSteps];
  TilePlan plan;
};

// A call restricted to one block of outputs.
template <typename Product>
struct Work {
  const ConvArgs& args;
  const ConvBlock& block;
  Scratch<Product>& scratch;
  int step_count;
  bool is_plain;

  int64_t passes() const { return (block.width + kPassOutputs - 1) / kPassOutputs; }
};

// One pass of outputs over a pixel group.
struct PassOf {
  const PixelGroup* group;
  const Targets* targets;
  int64_t pass;
};

// Results of a pass that are still to be written, a few beside each step of the next pass.
//
// `kBesideStep` > 0: that many per step, for plain results (see is_plain) of kOutTiles tiles. 0: no assumptions; the
// number is computed at run time.
template <typename Product, typename Out, int kOutTiles, int kBesideStep>
struct Unfinished {
  using Sum = typename Product::Sum;

  PassResults<Out, Product::kAddsLast> results;
  Copier copier;
  typename Product::Values values;
  const PixelGroup* group;
  char* const* targets;
  char* const* copies;  // null: there are none
  const Sum* sums;
  int64_t first_byte;  // of the pass, within a target
  int beside_step;

  __attribute__((always_inline)) Unfinished(const Work<Product>& work, const PassOf& done)
      : results(work.args, work.block, done.pass),
        copier(work.args),
        values(work.scratch.numbers, done.pass),
        group(done.group),
        targets(done.targets->of_row),
        copies(work.args.copy.data == nullptr ? nullptr : done.targets->copy_of_row),
        sums(work.scratch.sums.values[0]),
        first_byte(done.pass * kPassOutputs * static_cast<int64_t>(sizeof(Out))),
        beside_step((kGroupPixels + work.step_count - 1) / work.step_count) {}

  // Writes some results from `row` on; returns the next row.
  __attribute__((always_inline)) int write_some(int row) const {
    if constexpr (kBesideStep > 0) {
      if (row >= kGroupPixels) return row;
#pragma GCC unroll 32
      for (int i = 0; i < kBesideStep; ++i) write(row + i);
      return row + kBesideStep;
    } else {
      const int end = row + beside_step < kGroupPixels ? row + beside_step : kGroupPixels;
      return write_until(row, end);
    }
  }

  __attribute__((always_inline)) void write_rest(int row) const { write_until(row, kGroupPixels); }

  __attribute__((always_inline)) int write_until(int row, int end) const {
    for (; row < end; ++row) write(row);
    return end;
  }

  __attribute__((always_inline)) void write(int row) const {
    const Sum* const of_row = sums + row * kPassOutputs;
    if constexpr (kBesideStep > 0) {
      Out* const target = reinterpret_cast<Out*>(targets[row] + first_byte);
      if constexpr (kOutTiles == 1) {
        results.store_plain(values.low(of_row), target);
      } else {
        results.store_plain(values.low(of_row), values.high(of_row), target);
      }
      if constexpr (!std::is_same_v<Out, U8>) {
        if (copies != nullptr) copy(row, target);
      }
    } else if (group->out[row] != kNoPixel) {
      results.store(values.low(of_row), values.high(of_row), group->out[row]);
    }
  }

  __attribute__((always_inline)) void copy(int row, const Out* source) const {
    U8* const target = reinterpret_cast<U8*>(copies[row] + first_byte / static_cast<int64_t>(sizeof(Out)));
    if constexpr (kOutTiles == 1) {
      copier.copy_one(source, target);
    } else {
      copier.copy_two(source, target);
    }
  }
};

// Writes the results of the last pass.
template <typename Product, typename Out>
void write_last(const Work<Product>& work, const PassOf& last) {
  if (!work.is_plain) return Unfinished<Product, Out, kPassTiles, 0>(work, last).write_rest(0);
  if (work.block.width == kTileOutputs) return Unfinished<Product, Out, 1, 1>(work, last).write_rest(0);
  Unfinished<Product, Out, kPassTiles, 1>(work, last).write_rest(0);
}

// Addresses of the first output of `block` at the pixels of a group; of unwanted ones, that of `unwanted`.
template <typename Out>
void find_rows(const NumberedMap& map, const ConvBlock& block, const PixelGroup& group, char* unwanted, char** rows) {
  constexpr int kTogether = 8;
  const __m512i nowhere = _mm512_set1_epi64(reinterpret_cast<int64_t>(unwanted));
  const __m512i first = _mm512_set1_epi64(reinterpret_cast<int64_t>(pixel_of<Out>(map, 0) + block.first));
  const __m512i bytes = _mm512_set1_epi64(map.stride * static_cast<int64_t>(sizeof(Out)));
#pragma GCC unroll 4
  for (int row = 0; row < kGroupPixels; row += kTogether) {
    const __m256i pixels = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(group.out + row));
    const __mmask8 is_wanted = _mm256_cmpneq_epi32_mask(pixels, _mm256_set1_epi32(kNoPixel));
    const __m512i offsets = _mm512_mullo_epi64(_mm512_cvtepi32_epi64(pixels), bytes);
    _mm512_storeu_si512(rows + row, _mm512_mask_add_epi64(nowhere, is_wanted, first, offsets));
  }
}

template <typename Out, typename Product>
void find_targets(const Work<Product>& work, const PixelGroup& group, Targets& targets) {
  char* const unwanted = work.scratch.unwanted;
  find_rows<Out>(work.args.out, work.block, group, unwanted, targets.of_row);
  if (work.args.copy.data != nullptr) find_rows<U8>(work.args.copy, work.block, group, unwanted, targets.copy_of_row);
}

}  // namespace
}  // namespace sparsesr
