// Convolutions of training: 3x3 in bf16 with as many inputs as outputs, their gradients, and the sums over pixels that
// are the gradients of weights. One map per call. A kernel has no checks, no allocation, no exceptions and no logging.
//
// Inputs are *bordered* maps: (height + 2) rows of width + 1 pixels with zeros around the image, where the last pixel of
// a row is also the one before the first of the next row. Kernels work in whole tiles and may read kTrainSlackRows
// rows and kTrainSlackPixels pixels behind a map; values there must be finite, and change no result.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu_features.h"
#include "core/number_types.h"
#include "core/thread_needs.h"

namespace sparsesr {

constexpr int64_t kTrainSlackRows = 5;
constexpr int64_t kTrainSlackPixels = 32;

// What happens to the sum of a convolution before it is rounded to bf16.
enum class TrainFinish {
  kRelu,  // bias, then ReLU
  kAdd,   // bias, then the other map is added
  kMask,  // zero wherever the other map, the result of a ReLU, is zero
};

// Pixel (0, 0) of a map, and how many values further the next row and the next pixel are.
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
  TrainMap<const Bf16> other;  // of kAdd and kMask
  // A map that is needed next is fetched into the caches meanwhile: to be read, or to be overwritten. May be null.
  const void* next;
  bool next_is_written;
  std::byte* scratch;
};

struct TrainWeightArgs {
  const Bf16* in;        // pixel (-1, -1) of a bordered map: what the convolution read
  const Bf16* gradient;  // pixel (0, 0) of a map with the same row: that of what it computed
  int64_t row;           // values
  int64_t channels;
  int64_t height;
  int64_t width;
  float* sums;       // of the weights, in a layout that only the kernels know
  float* bias_sums;  // one per channel
  bool is_first;     // begins the sums of the weights; otherwise, and for the biases always, adds to what is there
  std::byte* scratch;
};

// Sums of several calls with `stride` values between them, added in their order, become gradients of weights of the shape
// (outputs, 3, 3, inputs); rows `begin` to `end` of outputs.
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
  // From fp32 weights of the shape (outputs, 3, 3, inputs): for the convolution, and for its gradient.
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
