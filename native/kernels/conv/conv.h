// Indirect convolution: arguments of its kernels, and the description that each kernel provides. Kernels contain no
// checks, allocation, exceptions or logging.
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
constexpr int64_t kMaxInt8Terms = 65536;  // products of 255 * 127 whose sum fits in 32 bits
constexpr int kOutputGranule = 16;  // channels beyond the outputs are cleared up to a multiple of this

struct ConvInput {
  const void* data;
  int64_t shift;
  int64_t stride;
  int64_t channels;
  // Leading channels used at every tap, a multiple of the channels multiplied at once; see ConvArgs::taps.
  int64_t always;
};

// Everything that is the same for all pixels and output blocks of one call. All inputs have one type; `out`, `addend`
// and `residual` share another or the same. Nothing is added to results of type U8.
struct ConvArgs {
  ConvInput inputs[kMaxSplits];
  int64_t tap_pixels[kMaxTaps];  // offset added to a pixel number, per tap
  int input_count;
  int tap_count;
  // Per listed pixel, a bit mask of the taps at which channels beyond `always` may be nonzero; null: all taps. Kernels
  // may skip the other taps, which contribute zero.
  const uint16_t* taps;
  NumberedMap out;
  int64_t clear_end;     // the last block also clears the channels of `out` beyond it, up to this one
  NumberedMap addend;    // added before the activation; data is null if unused
  NumberedMap residual;  // added after the activation; data is null if unused
  // For kernels that write copies: of type U8 and as wide as `out`, a quantised copy of it; data is null if unused.
  NumberedMap copy;
  float copy_factor;
  float copy_offset;
  Activation activation;
  // For `out` of type U8: scales and biases are multiplied by the factor, and the offset is added before narrow<U8>.
  float out_factor;
  float out_offset;
  float slope;          // for kLeakyRelu, shared by all outputs
  const float* slopes;  // instead of `slope`, one per output; may be null
  std::byte* scratch;   // private to this thread, of the size that the kernels requested
};

// Outputs computed together. Their weights are 64-byte aligned, in a layout known only to the kernels that packed them.
struct ConvBlock {
  const void* weights;
  const float* bias;   // width values
  // For inputs of type U8, width values each: the sums of products start at `starts`, which accounts for the inputs'
  // zeros; a result is sum * scale + bias, rounded after each operation.
  const float* scales;
  const int32_t* starts;
  int64_t first;       // first output channel
  int64_t width;       // multiple of kOutputGranule, padded with zero weights
  int64_t valid;       // channels that exist
  int64_t layout_steps;  // meaning defined by the layout
  bool is_last;        // the kernel clears the channels beyond it, see ConvArgs::clear_end
};

// Computes one block of outputs at `count` pixels. The lists of input and output pixels are the same for an ordinary
// convolution and differ for the phases of a transposed one. All pixels between the first and the last, and their taps,
// may be read. The order of additions must not depend on the list.
using ConvKernel = void(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                        const int32_t* out_pixels, int64_t count);

struct NamedConvKernel {
  const char* name;  // <type of inputs>[_<type of outputs>]_conv_<tile>__<instruction set>
  ConvKernel* run;
};

// Defined elsewhere: this header is compiled for several instruction sets and must not bring in inline functions of the
// standard library.
struct ConvSum;
struct ConvWeights;
struct PackedWeights;

constexpr int64_t kMaxChunkPixels = 1024;

// A weight layout with the kernels that read it: everything specific to the layout is stated here.
struct ConvKernels {
  MapType in;
  CpuFeatures needs;
  PackedWeights (*pack)(const ConvWeights& weights);
  bool (*suits)(const ConvWeights& weights);  // true if this is the better choice where it can run; null: always
  NamedConvKernel to[kMapTypes];              // by output type
  int64_t group_pixels;  // multiple at which pixel lists are split among threads
  int64_t chunk_pixels;  // most pixels per call, so that the surrounding rows stay in L2 between blocks
  bool needs_balanced = false;  // for weights with zeros in a balanced pattern only
  bool leaves_taps_out;  // benefits from lists sorted by tap set, see ConvArgs::taps
  bool writes_copies = false;  // see ConvArgs::copy
  ThreadNeeds thread;
};

#define SPARSESR_CONV(name) extern const ConvKernels name;
#include "kernels/conv/kernels.inc"
#undef SPARSESR_CONV

}  // namespace sparsesr
