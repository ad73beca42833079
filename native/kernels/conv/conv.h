// Indirect convolution: what its kernels are given, and what each of them brings along. A kernel has no checks,
// no allocation, no exceptions and no logging.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu_features.h"
#include "core/pixel_numbers.h"
#include "core/thread_needs.h"
#include "kernels/activation.h"

namespace sparsesr {

constexpr int kMaxSplits = 16;
constexpr int kMaxTaps = 9;
constexpr int kOutputGranule = 16;  // channels behind the outputs are cleared up to a multiple of this

struct ConvInput {
  const void* data;
  int64_t shift;
  int64_t stride;
  int64_t channels;
  // Of these, those that count at every tap, a multiple of what is multiplied at once; see ConvArgs::taps.
  int64_t always;
};

// All that is the same for every pixel and block of outputs of one call. The inputs are of one type, `out`,
// `addend` and `residual` of another or the same.
struct ConvArgs {
  ConvInput inputs[kMaxSplits];
  int64_t tap_pixels[kMaxTaps];  // what to add to a pixel number, per tap
  int input_count;
  int tap_count;
  // For each listed pixel, bit by bit, at which taps channels behind `always` may be other than zero; null:
  // at all. A kernel may leave the others out: what they would add is zero.
  const uint16_t* taps;
  NumberedMap out;
  int64_t clear_end;     // the last block also clears the channels of `out` behind it, up to this one
  NumberedMap addend;    // added before the activation; data is null without one
  NumberedMap residual;  // added after the activation; data is null without one
  Activation activation;
  float slope;          // of kLeakyRelu, for all outputs
  const float* slopes;  // one per output instead; may be null
  std::byte* scratch;   // what the kernels said they need, of this thread's own
};

// Outputs that are computed together. Their weights are 64-byte aligned, in a layout that only the kernels know
// that packed them.
struct ConvBlock {
  const void* weights;
  const float* bias;   // width values
  int64_t first;       // first output channel
  int64_t width;       // multiple of kOutputGranule, padded with zero weights
  int64_t valid;       // channels that exist
  int64_t layout_steps;  // what the layout says it is
  bool is_last;        // the kernel clears what is behind it, see ConvArgs::clear_end
};

// Computes one block of outputs at `count` pixels. Input and output pixel numbers are the same list for an
// ordinary convolution; they differ for the phases of a transposed one. All pixels between the first and the last
// one may be read, as may their taps. The order of additions must not depend on the list.
using ConvKernel = void(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                        const int32_t* out_pixels, int64_t count);

struct NamedConvKernel {
  const char* name;  // <type of inputs>[_<type of outputs>]_conv_<tile>__<instruction set>
  ConvKernel* run;
};

// Not defined here: this header is compiled for several instruction sets, and must bring no inline functions of
// the standard library.
struct ConvSum;
struct ConvWeights;
struct PackedWeights;

constexpr int64_t kMaxChunkPixels = 1024;

// A layout of weights with the kernels that read it: all that is particular to it is said here.
struct ConvKernels {
  MapType in;
  CpuFeatures needs;
  PackedWeights (*pack)(const ConvWeights& weights);
  bool (*suits)(const ConvWeights& weights);  // whether it is the better choice where it can run; null: always
  NamedConvKernel to[kMapTypes];              // by type of the output
  int64_t group_pixels;  // lists are cut at multiples of this where they are shared among threads
  int64_t chunk_pixels;  // at most as many at once, so that the rows around stay in L2 between blocks
  bool leaves_taps_out;  // profits by lists that are sorted by their taps, see ConvArgs::taps
  ThreadNeeds thread;
};

#define SPARSESR_CONV(name) extern const ConvKernels name;
#include "kernels/conv/kernels.inc"
#undef SPARSESR_CONV

}  // namespace sparsesr
