// Turns Python arguments into windows and refuses what a kernel could not survive. Every failed check is a
// std::invalid_argument, which Python sees as ValueError.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sparsesr/kernel_types.h"
#include "sparsesr/window.h"

namespace sparsesr::bindings {

// Types, shapes and strides are checked by hand: nanobind itself would raise TypeError or copy silently.
using InArray = nanobind::ndarray<nanobind::ro, nanobind::device::cpu>;
using OutArray = nanobind::ndarray<nanobind::device::cpu>;
using PlacedArray = std::pair<InArray, int64_t>;  // a window and its first row

[[noreturn]] void fail(const std::string& message);

// Contiguous array of `T` with `ndim` dimensions; -1 for any number.
template <typename T>
const T* array_data(const InArray& array, int ndim, std::string_view name);
template <typename T>
T* array_data(const OutArray& array, int ndim, std::string_view name);

InputWindow input_window(const InArray& array, int64_t row0, std::string_view name);
InputWindow input_window(const std::optional<PlacedArray>& placed, std::string_view name);
Window output_window(const OutArray& array, int64_t row0, std::string_view name);
InputWindow read_only(const Window& window);

void check_rows(int64_t r0, int64_t r1);
void check_threads(int threads);
void check_scale(int64_t scale);
void check_has_rows(const InputWindow& window, int64_t r0, int64_t r1, std::string_view name);
void check_width(const InputWindow& window, int64_t width, std::string_view name);
void check_channels(const InputWindow& window, int64_t channels, std::string_view name);
void check_picture(const InputWindow& window, std::string_view name);  // four values per pixel

// Pixel numbers up to row `r1` must fit in 32 bits.
void check_pixel_numbers(int64_t r1, int64_t width);

// `out` must not share memory with `in`, unless both place the same pixel at the same address.
enum class Sharing { kNever, kSamePixel };
void check_apart(const Window& out, const InputWindow& in, Sharing sharing, std::string_view name);

Activation parse_activation(const std::string& name);
PixelType pixel_type(const nanobind::dlpack::dtype& dtype, std::string_view name);

}  // namespace sparsesr::bindings
