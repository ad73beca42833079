// Windows: the feature maps that all kernels read and write.
#pragma once

#include <cstdint>

#include "core/number_types.h"

namespace sparsesr {

// Rows [row0, row0 + rows) of an image, channels last, `stride` values per pixel. Each row has a zero column on either
// side, so a 3x3 convolution reads fixed offsets without border tests.
template <typename T>
struct WindowOf {
  T* data;
  int64_t row0;
  int64_t rows;
  int64_t width;   // excluding the two border columns
  int64_t stride;  // values per pixel: channels, rounded up
};

using Window = WindowOf<float>;
using InputWindow = WindowOf<const float>;

// Images are windows of three channels with four values per pixel.
constexpr int kImageChannels = 3;
constexpr int kImageStride = 4;
constexpr int kMaxScale = 8;  // largest upscaling factor

// A window whose value type is known only at run time.
struct AnyWindow {
  void* data;
  int64_t row0;
  int64_t rows;
  int64_t width;
  int64_t stride;
  MapType type;
};

// Internal linkage on purpose: this header is compiled for several instruction sets, and the linker must never use one
// set's copy for all of them.
template <typename T>
static inline T* pixel_at(const WindowOf<T>& window, int64_t row, int64_t x) {
  return window.data + ((row - window.row0) * (window.width + 2) + x + 1) * window.stride;
}

// The same, by number in raster order.
template <typename T>
static inline T* token_at(const WindowOf<T>& window, int64_t token) {
  return pixel_at(window, token / window.width, token % window.width);
}

}  // namespace sparsesr
