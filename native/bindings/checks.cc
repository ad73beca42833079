#include "bindings/checks.h"

#include <limits>
#include <stdexcept>

#include "core/threads.h"
#include "kernels/conv/conv.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

std::string quoted(std::string_view name) {
  std::string text(1, '\'');
  text.append(name).append(1, '\'');
  return text;
}

template <typename T>
std::string_view type_name() {
  if constexpr (std::is_same_v<T, float>) return "float32";
  if constexpr (std::is_same_v<T, double>) return "float64";
  if constexpr (std::is_same_v<T, int32_t>) return "int32";
  if constexpr (std::is_same_v<T, uint8_t>) return "uint8";
  if constexpr (std::is_same_v<T, uint16_t>) return "uint16";
  if constexpr (std::is_same_v<T, uint64_t>) return "uint64";
}

template <typename Array>
bool is_contiguous(const Array& array) {
  int64_t expected = 1;
  for (size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != expected) return false;
    expected *= static_cast<int64_t>(array.shape(i));
  }
  return true;
}

template <typename T, typename Array>
void check_array(const Array& array, int ndim, std::string_view name) {
  if (array.dtype() != nb::dtype<T>()) fail(quoted(name) + " must be " + std::string(type_name<T>()));
  if (ndim >= 0 && static_cast<int>(array.ndim()) != ndim) {
    fail(quoted(name) + " must have " + std::to_string(ndim) + " dimensions, not " +
         std::to_string(array.ndim()));
  }
  if (array.size() != 0 && !is_contiguous(array)) fail(quoted(name) + " must be C-contiguous");
}

template <typename T, typename Array>
WindowOf<T> make_window(const Array& array, T* data, int64_t row0, std::string_view name) {
  const auto columns = static_cast<int64_t>(array.shape(1));
  if (columns < 3 || array.shape(2) == 0) {
    fail(quoted(name) + " must have shape (rows, width + 2, stride) with width and stride of at least 1");
  }
  constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();
  if (row0 < -kLimit || row0 > kLimit) fail(quoted(name) + ": first row is out of range");
  return {data, row0, static_cast<int64_t>(array.shape(0)), columns - 2,
          static_cast<int64_t>(array.shape(2))};
}

// Values of a map; bf16 is passed as uint16, quantised ones as uint8.
template <typename T, typename Array>
T* map_data(const Array& array, std::string_view name) {
  if constexpr (std::is_same_v<std::remove_const_t<T>, Bf16>) {
    return reinterpret_cast<T*>(array_data<uint16_t>(array, 3, name));
  } else if constexpr (std::is_same_v<std::remove_const_t<T>, U8>) {
    return reinterpret_cast<T*>(array_data<uint8_t>(array, 3, name));
  } else {
    return array_data<std::remove_const_t<T>>(array, 3, name);
  }
}

template <typename Array>
AnyWindow make_any_window(const Array& array, int64_t row0, std::string_view name) {
  const MapType type = map_type(array.dtype(), name);
  const void* data = nullptr;
  if (type == MapType::kF32) data = map_data<const float>(array, name);
  if (type == MapType::kBf16) data = map_data<const Bf16>(array, name);
  if (type == MapType::kU8) data = map_data<const U8>(array, name);
  const auto window = make_window(array, data, row0, name);
  return {const_cast<void*>(window.data), window.row0, window.rows, window.width, window.stride, type};
}

}  // namespace

void fail(const std::string& message) { throw std::invalid_argument(message); }

template <typename T>
const T* array_data(const InArray& array, int ndim, std::string_view name) {
  check_array<T>(array, ndim, name);
  return static_cast<const T*>(array.data());
}

template <typename T>
T* array_data(const OutArray& array, int ndim, std::string_view name) {
  check_array<T>(array, ndim, name);
  return static_cast<T*>(array.data());
}

template const float* array_data<float>(const InArray&, int, std::string_view);
template const uint64_t* array_data<uint64_t>(const InArray&, int, std::string_view);
template const int32_t* array_data<int32_t>(const InArray&, int, std::string_view);
template const uint8_t* array_data<uint8_t>(const InArray&, int, std::string_view);
template const uint16_t* array_data<uint16_t>(const InArray&, int, std::string_view);
template float* array_data<float>(const OutArray&, int, std::string_view);
template double* array_data<double>(const OutArray&, int, std::string_view);
template int32_t* array_data<int32_t>(const OutArray&, int, std::string_view);
template uint8_t* array_data<uint8_t>(const OutArray&, int, std::string_view);
template uint16_t* array_data<uint16_t>(const OutArray&, int, std::string_view);

template <typename T>
WindowOf<const T> input_window(const InArray& array, int64_t row0, std::string_view name) {
  return make_window(array, map_data<const T>(array, name), row0, name);
}

template <typename T>
WindowOf<T> output_window(const OutArray& array, int64_t row0, std::string_view name) {
  return make_window(array, map_data<T>(array, name), row0, name);
}

template WindowOf<const float> input_window<float>(const InArray&, int64_t, std::string_view);
template WindowOf<const Bf16> input_window<Bf16>(const InArray&, int64_t, std::string_view);
template WindowOf<float> output_window<float>(const OutArray&, int64_t, std::string_view);
template WindowOf<Bf16> output_window<Bf16>(const OutArray&, int64_t, std::string_view);
template WindowOf<U8> output_window<U8>(const OutArray&, int64_t, std::string_view);

AnyWindow any_window(const InArray& array, int64_t row0, std::string_view name) {
  return make_any_window(array, row0, name);
}

AnyWindow any_window(const std::optional<PlacedArray>& placed, std::string_view name) {
  if (!placed) return {};
  return any_window(placed->first, placed->second, name);
}

AnyWindow any_output_window(const OutArray& array, int64_t row0, std::string_view name) {
  return make_any_window(array, row0, name);
}

MapType map_type(const nb::dlpack::dtype& dtype, std::string_view name) {
  if (dtype == nb::dtype<float>()) return MapType::kF32;
  if (dtype == nb::dtype<uint16_t>()) return MapType::kBf16;
  if (dtype == nb::dtype<uint8_t>()) return MapType::kU8;
  fail(quoted(name) + " must be float32, uint16 for bf16, or uint8 if it is quantised");
}

MapType parse_map_type(const std::string& name) {
  if (name == "f32") return MapType::kF32;
  if (name == "bf16") return MapType::kBf16;
  if (name == "u8") return MapType::kU8;
  fail("unknown type of map '" + name + "'; choose f32, bf16 or u8");
}

MapSteps map_steps(const Steps& steps, std::string_view name) {
  const auto& [scale, zero] = steps;
  constexpr float kLargest = 1e30f;
  if (!(scale >= 1 / kLargest && scale <= kLargest)) fail(quoted(name) + ": the scale must be positive and finite");
  if (zero < 0 || zero > 255) fail(quoted(name) + ": the zero must be 0 to 255");
  return {scale, zero};
}

void check_rows(int64_t r0, int64_t r1) {
  if (r0 < 0 || r1 < r0) {
    fail("rows [" + std::to_string(r0) + ", " + std::to_string(r1) + ") are not a range of image rows");
  }
}

void check_threads(int threads) {
  if (threads < 1 || threads > kMaxThreads) {
    fail("'threads' must be 1 to " + std::to_string(kMaxThreads) + ", not " + std::to_string(threads));
  }
}

void check_scale(int64_t scale) {
  if (scale < 1 || scale > kMaxScale) {
    fail("'scale' must be 1 to " + std::to_string(kMaxScale) + ", not " + std::to_string(scale));
  }
}

void check_has_rows(const Extent& window, int64_t r0, int64_t r1, std::string_view name) {
  if (r0 >= window.row0 && r1 <= window.row0 + window.rows) return;
  fail(quoted(name) + " holds rows [" + std::to_string(window.row0) + ", " +
       std::to_string(window.row0 + window.rows) + ") but rows [" + std::to_string(r0) + ", " +
       std::to_string(r1) + ") are needed");
}

void check_width(const Extent& window, int64_t width, std::string_view name) {
  if (window.width == width) return;
  fail(quoted(name) + " must have width " + std::to_string(width) + ", not " + std::to_string(window.width));
}

void check_channels(const Extent& window, int64_t channels, std::string_view name) {
  if (window.stride >= channels) return;
  fail(quoted(name) + " has room for " + std::to_string(window.stride) + " channels but " +
       std::to_string(channels) + " are needed");
}

void check_quantised(const Extent& map, std::string_view name) {
  if (map.value_bytes != value_bytes(MapType::kU8) || map.stride % kOutputGranule == 0) return;
  fail(quoted(name) + " is quantised, so its stride must be a multiple of " + std::to_string(kOutputGranule));
}

void check_image_window(const Extent& window, std::string_view name) {
  if (window.stride == kImageStride) return;
  fail(quoted(name) + " must have a stride of " + std::to_string(kImageStride) + ", not " +
       std::to_string(window.stride));
}

void check_pixel_numbers(int64_t r1, int64_t width) {
  // Both factors are below 2^32 here; otherwise the division catches them.
  if (r1 + 1 > std::numeric_limits<int32_t>::max() / (width + 2)) {
    fail("the image is too large: pixel numbers must fit in 32 bits");
  }
}

void check_apart(const Extent& out, const Extent& in, Sharing sharing, std::string_view name) {
  if (in.data == nullptr) return;
  const auto begin = [](const auto& w) { return reinterpret_cast<intptr_t>(w.data); };
  const auto row_bytes = [](const auto& w) {
    return (w.width + 2) * w.stride * w.value_bytes;
  };
  const auto end = [&](const auto& w) { return begin(w) + w.rows * row_bytes(w); };
  if (begin(out) >= end(in) || begin(in) >= end(out)) return;
  const auto row_zero = [&](const auto& w) { return begin(w) - w.row0 * row_bytes(w); };
  const bool is_same_form =
      out.value_bytes == in.value_bytes && out.stride == in.stride && out.width == in.width;
  if (sharing == Sharing::kSamePixel && is_same_form && row_zero(out) == row_zero(in)) return;
  fail("'out' shares memory with " + quoted(name));
}

Activation parse_activation(const std::string& name) {
  if (name == "none") return Activation::kNone;
  if (name == "relu") return Activation::kRelu;
  if (name == "leaky_relu") return Activation::kLeakyRelu;
  fail("unknown activation '" + name + "'; choose none, relu or leaky_relu");
}

PixelType pixel_type(const nb::dlpack::dtype& dtype, std::string_view name) {
  if (dtype == nb::dtype<uint8_t>()) return PixelType::kU8;
  if (dtype == nb::dtype<uint16_t>()) return PixelType::kU16;
  if (dtype == nb::dtype<float>()) return PixelType::kF32;
  fail(quoted(name) + " must be uint8, uint16 or float32");
}

}  // namespace sparsesr::bindings
