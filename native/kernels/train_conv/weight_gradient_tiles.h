// Gradients of 3x3 weights: a sum over pixels per tap and channel pair, 32 pixels per tile product.
//
// A strip is two runs of 16 columns and up to 12 rows of the map. It is first copied: the gradient as channels x
// pixels, the input as pixel pairs, both even and odd, which serve the three tap columns. Rows are reused: of the three
// products with one gradient row, one loads a new input row and two use rows already in registers. Each strip is copied
// piecemeal beside the products of the previous one.
#pragma once

#include "kernels/train_conv/pixel_pairs.h"
#include "kernels/train_conv/train_conv.h"

namespace sparsesr {
namespace {

constexpr int kStripRows = 12;
constexpr int kRowsAtOnce = 3;
constexpr int kTaps = 3;

struct InputRow {
  Bf16 even[kRunPixels / 2][2][32];     // [pair][run][16 channels][2]
  Bf16 odd[kRunPixels / 2 + 1][2][32];
};

template <int kChannelTiles>
struct alignas(64) StripCopies {
  Bf16 gradient[kChannelTiles][kStripRows][16][32];
  InputRow input[kChannelTiles][kStripRows + 2];
};

struct Run {
  const Bf16* input;     // one pixel before and above the run
  const Bf16* gradient;  // first pixel of the run
  int64_t rows;          // 0: none
  int64_t columns;
};

struct Strip {
  Run runs[2];
  int rows;  // a multiple of three; rows beyond the runs' count as zeros
};

// Numbered strips of a map.
class Strips {
 public:
  explicit Strips(const TrainWeightArgs& args)
      : args_(args), across_((args.width + kRunPixels - 1) / kRunPixels),
        runs_(across_ * ((args.height + kStripRows - 1) / kStripRows)) {}

  int64_t count() const { return (runs_ + 1) / 2; }

  Strip at(int64_t number) const {
    Strip strip{{run(2 * number), run(2 * number + 1)}, 0};
    const int64_t rows = strip.runs[0].rows > strip.runs[1].rows ? strip.runs[0].rows : strip.runs[1].rows;
    strip.rows = static_cast<int>((rows + kRowsAtOnce - 1) / kRowsAtOnce * kRowsAtOnce);
    return strip;
  }

 private:
  Run run(int64_t number) const {
    const bool exists = number < runs_;
    const int64_t place = exists ? number : runs_ - 1;
    const int64_t y = place / across_ * kStripRows;
    const int64_t x = place % across_ * kRunPixels;
    const int64_t offset = y * args_.row + x * args_.channels;
    return {args_.in + offset, args_.gradient + offset, exists ? smaller(args_.height - y, kStripRows) : 0,
            smaller(args_.width - x, kRunPixels)};
  }

  const TrainWeightArgs& args_;
  int64_t across_;
  int64_t runs_;
};

// Copies a strip in many small steps.
template <int kChannelTiles>
class StripCopier {
 public:
  StripCopier(const TrainWeightArgs& args, const Strip& strip, StripCopies<kChannelTiles>& to)
      : strip_(strip), to_(to), row_(args.row), bias_sums_(args.bias_sums),
        input_steps_((strip.rows + 2) * kChannelTiles), steps_(input_steps_ + strip.rows * kChannelTiles) {}

  __attribute__((always_inline)) void take_step() {
    if (next_ >= steps_) return;
    const int step = next_++;
    if (step < input_steps_) {
      copy_input(step);
    } else {
      copy_gradient(step - input_steps_);
    }
  }

  void finish() {
    while (next_ < steps_) take_step();
  }

 private:
  static constexpr int64_t kPixel = 16 * kChannelTiles;
  static constexpr int64_t kInputValues = sizeof(InputRow) / sizeof(Bf16) * (kStripRows + 2);  // per 16 channels

  // Copies 32 channels of one row of a run.
  __attribute__((always_inline)) void copy_input(int step) {
    const int tile = step % (kChannelTiles / 2) * 2;
    const int run = step / (kChannelTiles / 2) % 2;
    const int row = step / kChannelTiles;
    InputRow& to = to_.input[tile][row];
    pair_pixels(strip_.runs[run].input + row * row_ + 16 * tile, kPixel, to.even[0][run], to.odd[0][run],
                kInputValues);
  }

  // Copies 16 channels of one row of both runs.
  __attribute__((always_inline)) void copy_gradient(int step) {
    const int tile = step % kChannelTiles;
    const int row = step / kChannelTiles;
    const RunPixels pixels[2] = {kept(strip_.runs[0], row, tile), kept(strip_.runs[1], row, tile)};
    constexpr uint32_t kAll = (1u << kRunPixels) - 1u;
    Bf16* const to = to_.gradient[tile][row][0];
    if ((pixels[0].kept & pixels[1].kept) == kAll) {
      transpose_pixels<true>(pixels, kPixel, to, bias_sums_ + 16 * tile);
    } else {
      copy_part(pixels, to, bias_sums_ + 16 * tile);
    }
  }

  __attribute__((noinline)) static void copy_part(const RunPixels (&pixels)[2], Bf16* to, float* sums) {
    transpose_pixels<false>(pixels, kPixel, to, sums);
  }

  __attribute__((always_inline)) RunPixels kept(const Run& run, int row, int tile) const {
    return {run.gradient + row * row_ + 16 * tile, row < run.rows ? (1u << run.columns) - 1u : 0u};
  }

  const Strip strip_;
  StripCopies<kChannelTiles>& to_;
  const int64_t row_;
  float* const bias_sums_;
  const int input_steps_;
  const int steps_;
  int next_ = 0;
};

// Tiles 0 to 2: sums of the taps above, beside and below; 4 to 6: input rows; 7 (at the end also 3 and 4): gradient. At
// the end the sums are completed one by one, so that each is stored while the next is computed.
template <int kChannelTiles>
__attribute__((always_inline)) inline void add_products(const char* gradient, const char* input, int rows, float* sums,
                                                        bool is_first, StripCopier<kChannelTiles>* copier) {
  constexpr int64_t kRow = sizeof(InputRow);
  if (is_first) {
    clear_tile<0>();
    clear_tile<1>();
    clear_tile<2>();
  } else {
    load_packed<0>(sums);
    load_packed<1>(sums + kTileFloats);
    load_packed<2>(sums + 2 * kTileFloats);
  }
  load_packed<4>(input);
  load_packed<5>(input + kRow);
#pragma GCC unroll 1
  for (int y = 0; y < rows - kRowsAtOnce; y += kRowsAtOnce) {
    load_packed<7>(gradient);
    multiply_bf16_tiles<0, 7, 4>();
    load_packed<6>(input + 2 * kRow);
    multiply_bf16_tiles<1, 7, 5>();
    multiply_bf16_tiles<2, 7, 6>();
    load_packed<7>(gradient + kTileBytes);
    multiply_bf16_tiles<0, 7, 5>();
    load_packed<4>(input + 3 * kRow);
    multiply_bf16_tiles<1, 7, 6>();
    multiply_bf16_tiles<2, 7, 4>();
    load_packed<7>(gradient + 2 * kTileBytes);
    multiply_bf16_tiles<0, 7, 6>();
    load_packed<5>(input + 4 * kRow);
    multiply_bf16_tiles<1, 7, 4>();
    multiply_bf16_tiles<2, 7, 5>();
    gradient += kRowsAtOnce * kTileBytes;
    input += kRowsAtOnce * kRow;
    if (copier != nullptr && y % (2 * kRowsAtOnce) == 0) copier->take_step();
  }
  load_packed<7>(gradient);
  multiply_bf16_tiles<0, 7, 4>();
  load_packed<3>(gradient + kTileBytes);
  multiply_bf16_tiles<0, 3, 5>();
  load_packed<6>(input + 2 * kRow);
  multiply_bf16_tiles<1, 7, 5>();
  load_packed<4>(gradient + 2 * kTileBytes);
  multiply_bf16_tiles<0, 4, 6>();
  store_packed<0>(sums);
  multiply_bf16_tiles<2, 7, 6>();
  multiply_bf16_tiles<1, 3, 6>();
  load_packed<5>(input + 3 * kRow);
  multiply_bf16_tiles<2, 3, 5>();
  multiply_bf16_tiles<1, 4, 5>();
  store_packed<1>(sums + kTileFloats);
  load_packed<6>(input + 4 * kRow);
  multiply_bf16_tiles<2, 4, 6>();
  store_packed<2>(sums + 2 * kTileFloats);
}

// Sum tiles: [outputs][inputs][tap column][tap row].
template <int kChannelTiles>
void add_strip(const StripCopies<kChannelTiles>& strip, int rows, float* sums, bool is_first,
               StripCopier<kChannelTiles>* copier) {
  for (int in = 0; in < kChannelTiles; ++in) {
    const InputRow& input = strip.input[in][0];
    const Bf16* const columns[kTaps] = {input.odd[0][0], input.even[0][0], input.odd[1][0]};
    for (int out = 0; out < kChannelTiles; ++out) {
      for (int column = 0; column < kTaps; ++column) {
        add_products<kChannelTiles>(reinterpret_cast<const char*>(strip.gradient[out]),
                                    reinterpret_cast<const char*>(columns[column]), rows,
                                    sums + ((out * kChannelTiles + in) * kTaps + column) * kTaps * kTileFloats,
                                    is_first, copier);
        if (copier != nullptr) copier->take_step();
      }
    }
  }
}

template <int kChannelTiles>
void add_map(const TrainWeightArgs& args) {
  auto* const copies = reinterpret_cast<StripCopies<kChannelTiles>*>(args.scratch);
  const Strips strips(args);
  StripCopier<kChannelTiles>(args, strips.at(0), copies[0]).finish();
  for (int64_t number = 0; number < strips.count(); ++number) {
    const bool is_first = args.is_first && number == 0;
    const int rows = strips.at(number).rows;
    if (number + 1 == strips.count()) {
      add_strip<kChannelTiles>(copies[number % 2], rows, args.sums, is_first, nullptr);
      break;
    }
    StripCopier<kChannelTiles> copier(args, strips.at(number + 1), copies[(number + 1) % 2]);
    add_strip<kChannelTiles>(copies[number % 2], rows, args.sums, is_first, &copier);
    copier.finish();
  }
}

}  // namespace
}  // namespace sparsesr
