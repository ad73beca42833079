// Training convolution of one bordered map: blocks of 4 rows x 16 pixels x 16 outputs, four sum tiles.
//
// A step covers 32 channels of the three taps of one column. Its three weight tiles stay in registers while six pixel
// rows are loaded in turn: twelve tile products for nine loads. Products take 16 cycles each, which hides the loads,
// even those of weights from L2. Each sum is stored while the others are still accumulating, and is finished beside the
// products of the next block.
#pragma once

#include <immintrin.h>

#include "kernels/train_conv/packed_tiles.h"
#include "kernels/train_conv/train_conv.h"

namespace sparsesr {
namespace {

constexpr int64_t kBlockRows = 4;
constexpr int64_t kBlockPixels = 16;
constexpr int64_t kBlockOutputs = 16;
constexpr int kBlockResults = kBlockRows * kBlockPixels;
constexpr int kStepTaps = 3;
constexpr int64_t kStepBytes = kStepTaps * kTileBytes;
constexpr int kFetchedLines = 4;  // per step: covers nearly a whole map during a convolution

// Alternate between the block being computed and the one being finished.
struct alignas(64) BlockSums {
  float values[2][kBlockResults][kBlockOutputs];
};

struct Results {
  const float* sums;
  const float* bias;
  Bf16* out;
  const Bf16* other;
  const Bf16* kept;
};

constexpr bool adds(TrainFinish finish) { return finish == TrainFinish::kAdd || finish == TrainFinish::kAddMask; }
constexpr bool masks(TrainFinish finish) { return finish == TrainFinish::kMask || finish == TrainFinish::kAddMask; }

inline __m512 widen16(const Bf16* from) {
  const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(values), 16));
}

template <TrainFinish kFinish>
__attribute__((always_inline)) inline void finish_pixel(const float* sums, __m512 bias, Bf16* out,
                                                        const Bf16* other, const Bf16* kept) {
  __m512 value = _mm512_load_ps(sums);
  if constexpr (!masks(kFinish)) value = _mm512_add_ps(value, bias);
  if constexpr (kFinish == TrainFinish::kRelu) value = _mm512_max_ps(value, _mm512_setzero_ps());
  if constexpr (adds(kFinish)) value = _mm512_add_ps(value, widen16(other));
  auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value));
  if constexpr (masks(kFinish)) {
    const __m256i results = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kept));
    rounded = _mm256_maskz_mov_epi16(_mm256_test_epi16_mask(results, results), rounded);
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), rounded);
}

template <TrainFinish kFinish>
__attribute__((always_inline)) inline void finish_at(const TrainConvArgs& args, const Results& r, __m512 bias,
                                                     int64_t y, int64_t x) {
  finish_pixel<kFinish>(r.sums + (y * kBlockPixels + x) * kBlockOutputs, bias,
                        r.out + y * args.out.row + x * args.out.pixel,
                        adds(kFinish) ? r.other + y * args.other.row + x * args.other.pixel : nullptr,
                        masks(kFinish) ? r.kept + y * args.kept.row + x * args.kept.pixel : nullptr);
}

template <TrainFinish kFinish, int kFrom, int kTo>
__attribute__((always_inline)) inline void finish_some(const TrainConvArgs& args, const Results& r) {
  const __m512 bias = _mm512_loadu_ps(r.bias);
#pragma GCC unroll 64
  for (int i = kFrom; i < kTo; ++i) finish_at<kFinish>(args, r, bias, i / kBlockPixels, i % kBlockPixels);
}

// Finishes a block that extends beyond the edge.
template <TrainFinish kFinish>
void finish_part(const TrainConvArgs& args, const Results& r, int64_t rows, int64_t columns) {
  const __m512 bias = _mm512_loadu_ps(r.bias);
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < columns; ++x) finish_at<kFinish>(args, r, bias, y, x);
  }
}

// `pixels`: 32 channels of the pixels in the row above the block; `row`: bytes between rows. Tiles 0 to 3: sums of the
// rows; 4 to 6: weights of the taps above, beside and below; 7: pixels.
template <int64_t kPixelBytes, bool kIsLast>
__attribute__((always_inline)) inline void take_step(const char* pixels, int64_t row, const char* weights,
                                                     float* sums) {
  load_packed<4>(weights);
  load_packed<5>(weights + kTileBytes);
  load_tile<7>(pixels, kPixelBytes);
  multiply_bf16_tiles<0, 7, 4>();
  load_packed<6>(weights + 2 * kTileBytes);
  load_tile<7>(pixels + row, kPixelBytes);
  multiply_bf16_tiles<0, 7, 5>();
  multiply_bf16_tiles<1, 7, 4>();
  load_tile<7>(pixels + 2 * row, kPixelBytes);
  multiply_bf16_tiles<0, 7, 6>();
  multiply_bf16_tiles<1, 7, 5>();
  multiply_bf16_tiles<2, 7, 4>();
  if constexpr (kIsLast) store_packed<0>(sums);
  load_tile<7>(pixels + 3 * row, kPixelBytes);
  multiply_bf16_tiles<1, 7, 6>();
  multiply_bf16_tiles<2, 7, 5>();
  multiply_bf16_tiles<3, 7, 4>();
  if constexpr (kIsLast) store_packed<1>(sums + kTileFloats);
  load_tile<7>(pixels + 4 * row, kPixelBytes);
  multiply_bf16_tiles<2, 7, 6>();
  multiply_bf16_tiles<3, 7, 5>();
  if constexpr (kIsLast) store_packed<2>(sums + 2 * kTileFloats);
  load_tile<7>(pixels + 5 * row, kPixelBytes);
  multiply_bf16_tiles<3, 7, 6>();
  if constexpr (kIsLast) store_packed<3>(sums + 3 * kTileFloats);
}

// Prefetches the next map, a few cache lines per step.
class Fetcher {
 public:
  Fetcher(const void* map, bool is_written) : line_(static_cast<const char*>(map)), is_written_(is_written) {}

  __attribute__((always_inline)) void fetch() {
    if (line_ == nullptr) return;
#pragma GCC unroll 8
    for (int i = 0; i < kFetchedLines; ++i) {
      if (is_written_) {
        __asm__ volatile("prefetchw %0" ::"m"(line_[64 * i]));  // every AMX processor supports it
      } else {
        _mm_prefetch(line_ + 64 * i, _MM_HINT_T1);
      }
    }
    line_ += 64 * kFetchedLines;
  }

 private:
  const char* line_;
  bool is_written_;
};

template <int kHalves, TrainFinish kFinish>
class MapConvolution {
 public:
  explicit MapConvolution(const TrainConvArgs& args)
      : args_(args), sums_(*reinterpret_cast<BlockSums*>(args.scratch)), fetcher_(args.next, args.next_is_written) {}

  void run() {
    for (int64_t y = 0; y < args_.height; y += kBlockRows) {
      for (int64_t x = 0; x < args_.width; x += kBlockPixels) {
        for (int64_t output = 0; output < kChannels; output += kBlockOutputs) run_block(y, x, output);
      }
    }
    if (is_waiting_) finish_some<kFinish, 0, kBlockResults>(args_, waiting_);
  }

 private:
  static constexpr int64_t kChannels = 32 * kHalves;
  static constexpr int64_t kPixelBytes = 2 * kChannels;
  static constexpr int kSteps = 3 * kHalves;
  static constexpr int kResultsPerStep = (kBlockResults + kSteps - 1) / kSteps;

  static constexpr int end_of_step(int step) {
    const int end = (step + 1) * kResultsPerStep;
    return end < kBlockResults ? end : kBlockResults;
  }

  __attribute__((always_inline)) void run_block(int64_t y, int64_t x, int64_t output) {
    float* const sums = sums_.values[turn_][0];
    turn_ ^= 1;
    const auto* const pixels = reinterpret_cast<const char*>(args_.in + y * args_.in_row + x * kChannels);
    const char* const weights =
        reinterpret_cast<const char*>(args_.weights) + output / kBlockOutputs * kSteps * kStepBytes;
    if (is_waiting_) {
      multiply<true, 0>(pixels, weights, sums);
    } else {
      multiply<false, 0>(pixels, weights, sums);
    }
    waiting_ = {sums, args_.bias + output, args_.out.first + y * args_.out.row + x * args_.out.pixel + output,
                adds(kFinish) ? args_.other.first + y * args_.other.row + x * args_.other.pixel + output : nullptr,
                masks(kFinish) ? args_.kept.first + y * args_.kept.row + x * args_.kept.pixel + output : nullptr};
    const int64_t rows = smaller(args_.height - y, kBlockRows);
    const int64_t columns = smaller(args_.width - x, kBlockPixels);
    is_waiting_ = rows == kBlockRows && columns == kBlockPixels;
    if (!is_waiting_) finish_part<kFinish>(args_, waiting_, rows, columns);
  }

  template <bool kFinishes, int kStep>
  __attribute__((always_inline)) void multiply(const char* pixels, const char* weights, float* sums) {
    if constexpr (kStep == 0) {
      clear_tile<0>();
      clear_tile<1>();
      clear_tile<2>();
      clear_tile<3>();
    }
    if constexpr (kStep < kSteps) {
      take_step<kPixelBytes, kStep == kSteps - 1>(pixels + kStep / kHalves * kPixelBytes + kStep % kHalves * 64,
                                                  2 * args_.in_row, weights + kStep * kStepBytes, sums);
      fetcher_.fetch();
      if constexpr (kFinishes) {
        finish_some<kFinish, kStep * kResultsPerStep, end_of_step(kStep)>(args_, waiting_);
      }
      multiply<kFinishes, kStep + 1>(pixels, weights, sums);
    }
  }

  const TrainConvArgs& args_;
  BlockSums& sums_;
  Fetcher fetcher_;
  Results waiting_{};
  bool is_waiting_ = false;
  int turn_ = 0;
};

template <int kHalves>
void convolve_map(const TrainConvArgs& args) {
  switch (args.finish) {
    case TrainFinish::kRelu:
      return MapConvolution<kHalves, TrainFinish::kRelu>(args).run();
    case TrainFinish::kBias:
      return MapConvolution<kHalves, TrainFinish::kBias>(args).run();
    case TrainFinish::kAdd:
      return MapConvolution<kHalves, TrainFinish::kAdd>(args).run();
    case TrainFinish::kMask:
      return MapConvolution<kHalves, TrainFinish::kMask>(args).run();
    case TrainFinish::kAddMask:
      return MapConvolution<kHalves, TrainFinish::kAddMask>(args).run();
  }
}

}  // namespace
}  // namespace sparsesr
