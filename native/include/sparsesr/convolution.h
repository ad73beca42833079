// Dense and masked convolution over windows: one kernel, with a list of pixels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sparsesr/kernel_table.h"
#include "sparsesr/packed_weights.h"
#include "sparsesr/window.h"

namespace sparsesr {

// Weights of a 1x1 or 3x3 convolution, packed for the kernel of one instruction set. The input is the
// concatenation of windows with splits[0], splits[1], ... channels, which is never built.
class PackedConv {
 public:
  // `weight` is [c_out][c_in][kernel][kernel]; `bias` may be null. The windows will be of type `in`.
  PackedConv(const float* weight, const float* bias, int64_t c_out, int64_t c_in, int kernel,
             std::vector<int64_t> splits, MapType in, Isa isa);

  int64_t c_in() const { return c_in_; }
  int64_t c_out() const { return c_out_; }
  int kernel() const { return kernel_; }
  const std::vector<int64_t>& splits() const { return splits_; }
  MapType in() const { return in_; }
  Isa isa() const { return isa_; }
  size_t nbytes() const { return packed_.byte_count; }
  const PackedWeights& packed() const { return packed_; }

 private:
  int64_t c_in_;
  int64_t c_out_;
  int kernel_;
  std::vector<int64_t> splits_;
  MapType in_;
  Isa isa_;
  PackedWeights packed_;
};

struct ConvCall {
  const PackedConv* conv = nullptr;
  std::vector<AnyWindow> inputs;  // one per split
  std::vector<int64_t> always;    // of each input: channels that count at every tap; empty: all of them
  AnyWindow addend{};             // of the type of `out`; data is null without one
  AnyWindow residual{};           // the same
  AnyWindow out{};
  Activation activation = Activation::kNone;
  float slope = 0.0f;             // of kLeakyRelu, for all outputs
  const float* slopes = nullptr;  // one per output instead, not copied
  // Channels of `out` behind the outputs become zero; else only up to a multiple of kOutputGranule.
  bool clears_rest = true;
};

// Pixels that kernels take together: a multiple of every tile's, so that only the last group of a part is
// short.
constexpr int64_t kPixelGroup = 24;

// A call that is ready to run at any pixels.
class ConvRun {
 public:
  ConvRun() = default;  // of no use
  explicit ConvRun(const ConvCall& call);

  // Chunk by chunk, so that the rows around a chunk stay in L2 between blocks of outputs.
  void at(std::span<const int32_t> pixels) const { run(args_, pixels); }

  // The same with the taps of each pixel, see ConvArgs. The pixels are sorted by them, so that pixels that
  // are computed together need the same.
  void at(std::span<const int32_t> pixels, std::span<const uint16_t> taps) const;

 private:
  void run(ConvArgs args, std::span<const int32_t> pixels) const;

  const PackedConv* conv_ = nullptr;
  ConvKernel* kernel_ = nullptr;
  ConvArgs args_{};
};

// Every pixel of rows [r0, r1).
void conv_rows(const ConvCall& call, int64_t r0, int64_t r1, int threads);

// The listed pixels, numbered r * (width + 2) + x + 1 in the picture.
void conv_pixels(const ConvCall& call, const int32_t* pixels, int64_t count, int threads);

// A window seen by pixel number.
ConvMap by_pixel_number(const AnyWindow& window);

}  // namespace sparsesr
