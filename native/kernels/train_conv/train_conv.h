// Training convolutions: 3x3 in bf16 with equal numbers of inputs and outputs, their input gradients, and their weight
// gradients, which are sums over pixels. One map per call. Kernels contain no checks, allocation, exceptions or
// logging.
//
// Inputs are *bordered* maps: (height + 2) rows of width + 1 pixels with zeros around the image; the last pixel of a
// row also serves as the border pixel before the next row. Kernels work in whole tiles and may read kTrainSlackRows
// rows and kTrainSlackPixels pixels beyond a map; values there must be finite and do not affect results.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu_features.h"
#include "core/number_types.h"
#include "core/thread_needs.h"

namespace sparsesr {

constexpr int64_t kTrainSlackRows = 12;
constexpr int64_t kTrainSlackPixels = 32;

// Operation on a convolution's sum before it is rounded to bf16.
enum class TrainFinish {
  kRelu,     // bias, then ReLU
  kBias,     // bias
  kAdd,      // bias, then the other map is added
  kMask,     // zero wherever the kept map, the result of a ReLU, is zero
  kAddMask,  // the other map is added, then as kMask
};

// Pixel (0, 0) of a map, and the distances in values to the next row and the next pixel.
template <typename T>
struct TrainMap {
  T* first;
  int64_t row;
  int64_t pixel;
};

struct TrainConvArgs {
  const Bf16* in;  // pixel (-1, -1) of a bordered map
  int64_t in_row;  // values
  int64_t channels;
  int64_t height;
  int64_t width;
  const Bf16* weights;  // packed
  const float* bias;    // one per channel
  TrainFinish finish;
  TrainMap<Bf16> out;
  TrainMap<const Bf16> other;  // for kAdd and kAddMask
  TrainMap<const Bf16> kept;   // for kMask and kAddMask
  // Map needed next, prefetched meanwhile for reading or for overwriting. May be null.
  const void* next;
  bool next_is_written;
  std::byte* scratch;
};

struct TrainWeightArgs {
  const Bf16* in;        // pixel (-1, -1) of a bordered map: the convolution's input
  const Bf16* gradient;  // pixel (0, 0) of a map with the same row distance: gradient of the convolution's output
  int64_t row;           // values
  int64_t channels;
  int64_t height;
  int64_t width;
  float* sums;       // weight sums, in a layout known only to the kernels
  float* bias_sums;  // one per channel
  bool is_first;     // overwrites the weight sums instead of adding to them; bias sums are always added to
  std::byte* scratch;
};

// Adds the sums of several calls, `stride` values apart, in order, and converts rows `begin` to `end` (outputs) to
// weight gradients of shape (outputs, 3, 3, inputs).
struct TrainGradientArgs {
  const float* sums;
  int64_t count;
  int64_t stride;
  int64_t channels;
  float* weights;
};

// Packed weights and sums have 9 * channels * channels values.
struct TrainConvKernels {
  const char* name;
  CpuFeatures needs;
  bool (*has_channels)(int64_t channels);
  // Packs fp32 weights of shape (outputs, 3, 3, inputs) for the convolution and for its gradient.
  void (*pack)(const float* weights, int64_t channels, Bf16* forward, Bf16* backward);
  void (*convolve)(const TrainConvArgs& args);
  void (*add_weight_gradient)(const TrainWeightArgs& args);
  void (*unpack_gradient)(const TrainGradientArgs& args, int64_t begin, int64_t end);
  ThreadNeeds thread;
};

#if defined(__x86_64__)
extern const TrainConvKernels bf16_train_conv__amx_bf16;
#endif

}  // namespace sparsesr
