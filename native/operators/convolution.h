// Dense and masked convolution over windows, using one kernel with a pixel list.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/kernel_thread.h"
#include "core/window.h"
#include "kernels/quantise/quantise.h"
#include "operators/packed_kernel.h"

namespace sparsesr {

// Weights of a 1x1 or 3x3 convolution, packed for the kernels of one instruction set. The input is the concatenation of
// windows with splits[0], splits[1], ... channels, which is never materialised.
class PackedConv {
 public:
  // `weight` is [c_out][c_in][kernel][kernel]; `bias` may be null; `in` is the type of the input windows, with one step
  // per split for U8, none for other types.
  PackedConv(const float* weight, const float* bias, int64_t c_out, int64_t c_in, int kernel,
             std::vector<int64_t> splits, MapType in, const std::vector<MapSteps>& steps, Isa isa);

  int64_t c_in() const { return c_in_; }
  int64_t c_out() const { return c_out_; }
  int kernel() const { return kernel_; }
  const std::vector<int64_t>& splits() const { return splits_; }
  MapType in() const { return in_; }
  Isa isa() const { return isa_; }
  const PackedKernel& packed() const { return packed_; }
  // True if zeros of an input may be left out of the sum: for U8, if its bits are zero, too.
  bool may_skip_zeros(size_t input) const { return zeros_.empty() || zeros_[input] == 0; }

 private:
  int64_t c_in_;
  int64_t c_out_;
  int kernel_;
  std::vector<int64_t> splits_;
  MapType in_;
  std::vector<int32_t> zeros_;  // of U8 inputs, one per split
  Isa isa_;
  PackedKernel packed_;
};

struct ConvCall {
  const PackedConv* conv = nullptr;
  std::vector<AnyWindow> inputs;  // one per split
  std::vector<int64_t> always;    // per input: channels used at every tap; empty: all
  AnyWindow addend{};             // same type as `out`; data is null if unused
  AnyWindow residual{};           // likewise
  AnyWindow out{};
  MapSteps out_steps{};           // of an `out` of type U8
  AnyWindow copy{};               // of type U8: a quantised copy of an `out` of floats; data is null if unused
  MapSteps copy_steps{};
  Activation activation = Activation::kNone;
  float slope = 0.0f;             // for kLeakyRelu, shared by all outputs
  const float* slopes = nullptr;  // instead of `slope`, one per output; not copied
  // If true, all channels of `out` beyond the outputs become zero, otherwise only those up to a multiple of
  // kOutputGranule.
  bool clears_rest = true;
};

// A prepared call that can run at any pixels.
class ConvRun {
 public:
  ConvRun() = default;  // empty placeholder; must not be run
  explicit ConvRun(const ConvCall& call);

  const ConvKernels& kernels() const { return packed_->kernels(); }

  // Copies results at pixels that this or an earlier call has written. Only for calls with a copy.
  void copy(std::span<const int32_t> pixels) const;

 private:
  friend class ConvWorker;

  const PackedKernel* packed_ = nullptr;
  MapType out_ = MapType::kF32;
  ConvArgs args_{};
  QuantisePixelsKernel* copy_ = nullptr;  // null without a copy
  QuantisePixelsArgs copy_args_{};
};

// Runs a ConvRun on one thread, which stays prepared for the kernels for the lifetime of the worker.
class ConvWorker {
 public:
  explicit ConvWorker(const ConvRun& run);

  void at(std::span<const int32_t> pixels) const { run(args_, pixels); }

  // The same, with the taps of each pixel (see ConvArgs). Kernels that skip taps receive the pixels sorted by tap set,
  // so that pixels computed together need the same taps.
  void at(std::span<const int32_t> pixels, std::span<const uint16_t> taps) const;

 private:
  void run(const ConvArgs& args, std::span<const int32_t> pixels) const;
  void run_some(const ConvArgs& args, std::span<const int32_t> pixels) const;

  const ConvRun& run_;
  KernelThread thread_;
  ConvArgs args_;
};

// Computes every pixel of rows [r0, r1).
void conv_rows(const ConvCall& call, int64_t r0, int64_t r1, int threads);
// Computes these pixels, and leaves all others alone.
void conv_pixels(const ConvCall& call, std::span<const int32_t> pixels, int threads);

}  // namespace sparsesr
