// Converts Python arguments to windows and rejects any that a kernel could not handle safely. Every failed check throws
// std::invalid_argument, which Python sees as ValueError.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/window.h"
#include "kernels/activation.h"

namespace sparsesr::bindings {

// Types, shapes and strides are checked by hand: nanobind itself would raise TypeError or copy silently.
using InArray = nanobind::ndarray<nanobind::ro, nanobind::device::cpu>;
using OutArray = nanobind::ndarray<nanobind::device::cpu>;
using PlacedArray = std::pair<InArray, int64_t>;  // a window and its first row

[[noreturn]] void fail(const std::string& message);

// Contiguous array of `T` with `ndim` dimensions; -1 accepts any number.
template <typename T>
const T* array_data(const InArray& array, int ndim, std::string_view name);
template <typename T>
T* array_data(const OutArray& array, int ndim, std::string_view name);

// Windows of values of type T; for Bf16 the array is uint16 and holds the upper halves of fp32 values, for U8 uint8.
template <typename T = float>
WindowOf<const T> input_window(const InArray& array, int64_t row0, std::string_view name);
template <typename T = float>
WindowOf<const T> input_window(const std::optional<PlacedArray>& placed, std::string_view name) {
  if (!placed) return {};
  return input_window<T>(placed->first, placed->second, name);
}
template <typename T = float>
WindowOf<T> output_window(const OutArray& array, int64_t row0, std::string_view name);

template <typename T>
WindowOf<const T> read_only(const WindowOf<T>& window) {
  return {window.data, window.row0, window.rows, window.width, window.stride};
}

// Windows of any type; inputs are only read.
AnyWindow any_window(const InArray& array, int64_t row0, std::string_view name);
AnyWindow any_window(const std::optional<PlacedArray>& placed, std::string_view name);
AnyWindow any_output_window(const OutArray& array, int64_t row0, std::string_view name);

// float32; as uint16, bf16; as uint8, quantised.
MapType map_type(const nanobind::dlpack::dtype& dtype, std::string_view name);
MapType parse_map_type(const std::string& name);

// Scale and zero of a quantised map.
using Steps = std::pair<float, int32_t>;
MapSteps map_steps(const Steps& steps, std::string_view name);

// A window of uint8, its first row and its steps: receives a quantised copy of a result.
using CopyArray = std::tuple<OutArray, int64_t, Steps>;

void check_rows(int64_t r0, int64_t r1);
void check_threads(int threads);

// A window's address and geometry, without its value type.
struct Extent {
  const void* data;
  int64_t row0;
  int64_t rows;
  int64_t width;
  int64_t stride;
  int64_t value_bytes;

  template <typename T>
  Extent(const WindowOf<T>& w)  // NOLINT(google-explicit-constructor)
      : Extent{w.data, w.row0, w.rows, w.width, w.stride, static_cast<int64_t>(sizeof(T))} {}
  Extent(const AnyWindow& w)  // NOLINT(google-explicit-constructor)
      : Extent{w.data, w.row0, w.rows, w.width, w.stride, sparsesr::value_bytes(w.type)} {}

 private:
  Extent(const void* d, int64_t first, int64_t count, int64_t columns, int64_t values, int64_t bytes)
      : data(d), row0(first), rows(count), width(columns), stride(values), value_bytes(bytes) {}
};

void check_has_rows(const Extent& window, int64_t r0, int64_t r1, std::string_view name);
void check_width(const Extent& window, int64_t width, std::string_view name);
void check_channels(const Extent& window, int64_t channels, std::string_view name);
// Kernels read four values of a quantised map, and write eight, at once; other maps pass.
void check_quantised(const Extent& map, std::string_view name);
void check_image_window(const Extent& window, std::string_view name);  // four values per pixel
void check_scale(int64_t scale);
// Pixel numbers up to row `r1` must fit in 32 bits.
void check_pixel_numbers(int64_t r1, int64_t width);

// `out` must not share memory with `in`, unless both place the same pixel at the same address.
enum class Sharing { kNever, kSamePixel };
void check_apart(const Extent& out, const Extent& in, Sharing sharing, std::string_view name);

Activation parse_activation(const std::string& name);
PixelType pixel_type(const nanobind::dlpack::dtype& dtype, std::string_view name);

}  // namespace sparsesr::bindings
