// Lists of pixels: made from mask logits, used to fill pixels.
#include <algorithm>
#include <vector>

#include "bindings/module.h"
#include "bindings/pixel_lists.h"
#include "sparsesr/bf16.h"
#include "sparsesr/border_pixels.h"
#include "sparsesr/convolution.h"
#include "sparsesr/parallel.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

constexpr int64_t kGrain = 1024;  // pixels to fill at a time

int32_t* list_with_room(const OutArray& array, int64_t used, int64_t wanted, std::string_view name) {
  int32_t* list = array_data<int32_t>(array, 1, name);
  const auto capacity = static_cast<int64_t>(array.shape(0));
  if (used < 0 || used > capacity || wanted > capacity - used) {
    fail("'" + std::string(name) + "' has " + std::to_string(used) + " of " + std::to_string(capacity) +
         " places in use and needs " + std::to_string(wanted) + " more");
  }
  return list;
}

// Each list has room for all pixels of the rows, for the kernel writes a pixel before it knows its list.
nb::tuple mask_rows(const InArray& logits, int64_t row0, int64_t r0, int64_t r1, float bias,
                    const OutArray& active, int64_t n_active, const OutArray& inactive,
                    int64_t n_inactive) {
  MaskArgs args{};
  args.logits = input_window(logits, row0, "logits");
  args.bias = bias;
  check_rows(r0, r1);
  check_pixel_numbers(r1, args.logits.width);
  check_channels(args.logits, 2, "logits");
  if (r0 < r1) check_has_rows(args.logits, r0, r1, "logits");
  const int64_t pixels = (r1 - r0) * args.logits.width;
  args.active = list_with_room(active, n_active, pixels, "active");
  args.inactive = list_with_room(inactive, n_inactive, pixels, "inactive");
  args.active_count = n_active;
  args.inactive_count = n_inactive;
  {
    const nb::gil_scoped_release no_gil;
    kernel_table(current_isa()).mask.run(args, r0, r1);
  }
  return nb::make_tuple(args.active_count, args.inactive_count);
}

int64_t border_rows(const InArray& active, int64_t width, int64_t r0, int64_t r1, const OutArray& border,
                    int64_t n_border) {
  const PixelList list = pixel_list(active);
  if (width < 1) fail("'width' must be at least 1, got " + std::to_string(width));
  check_rows(r0, r1);
  check_pixel_numbers(r1 + 1, width);
  int32_t* target = list_with_room(border, n_border, (r1 - r0) * width, "border") + n_border;
  const nb::gil_scoped_release no_gil;
  check_pixels(list, width, r0 - 1, r1 + 1);
  return n_border + append_border_pixels(list.pixels, list.count, width, r0, r1, target);
}

// The values in the map's own type.
template <typename T>
std::vector<T> narrowed(const float* values, int64_t count) {
  std::vector<T> result(static_cast<size_t>(count));
  std::transform(values, values + count, result.begin(), narrow<T>);
  return result;
}

template <typename T>
void fill(const AnyWindow& target, const PixelList& list, const float* values, int64_t count, int threads) {
  const std::vector<T> narrow_values = narrowed<T>(values, count);
  const auto bytes = static_cast<int64_t>(sizeof(T));
  const FillPixelsArgs args{by_pixel_number(target), target.stride * bytes, list.pixels, narrow_values.data(),
                            count * bytes};
  const auto kernel = kernel_table(current_isa()).fill_pixels;
  parallel_for(threads, 0, list.count, kGrain,
               [&](int64_t begin, int64_t end) { kernel.run(args, begin, end); });
}

void fill_pixels(const OutArray& out, int64_t out_row0, const InArray& pixels, const InArray& values,
                 int threads) {
  const AnyWindow target = any_output_window(out, out_row0, "out");
  const PixelList list = pixel_list(pixels);
  const float* data = array_data<float>(values, 1, "values");
  const auto count = static_cast<int64_t>(values.shape(0));
  if (count > target.stride) fail("'values' must have at most " + std::to_string(target.stride) + " entries");
  check_threads(threads);
  const int64_t r1 = target.row0 + target.rows;
  check_pixel_numbers(std::max<int64_t>(r1, 0), target.width);
  const nb::gil_scoped_release no_gil;
  check_pixels(list, target.width, std::max<int64_t>(target.row0, 0), r1);
  const auto run = target.type == MapType::kBf16 ? fill<Bf16> : fill<float>;
  run(target, list, data, count, threads);
}

}  // namespace

void bind_masks(nb::module_& m) {
  using namespace nb::literals;
  m.def("mask_rows", &mask_rows, "logits"_a, "row0"_a, "r0"_a, "r1"_a, "bias"_a, "active"_a, "n_active"_a,
        "inactive"_a, "n_inactive"_a);
  m.def("border_rows", &border_rows, "active"_a, "width"_a, "r0"_a, "r1"_a, "border"_a, "n_border"_a);
  m.def("fill_pixels", &fill_pixels, "out"_a, "out_row0"_a, "pixels"_a, "values"_a, "threads"_a = 1);
}

}  // namespace sparsesr::bindings
