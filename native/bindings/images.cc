// Operations on images: windows of three channels with four values per pixel, and image arrays.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <algorithm>

#include "bindings/checks.h"
#include "bindings/module.h"
#include "bindings/pixel_sets.h"
#include "bindings/run_rows.h"
#include "operators/bicubic.h"
#include "operators/image_ending.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

// The source, called `name`, holds what output rows [r0, r1) need.
void check_bicubic_rows(const BicubicArgs& args, int64_t r0, int64_t r1, std::string_view name) {
  if (args.x_height < 0 || r1 > args.scale * args.x_height) {
    fail("the output has scale * (height of '" + std::string(name) + "') rows; fewer than 'r1'");
  }
  if (r0 == r1) return;
  const auto clamp = [&](int64_t row) { return std::clamp<int64_t>(row, 0, args.x_height - 1); };
  check_has_rows(args.x, clamp(first_source_row(args, r0)), clamp(first_source_row(args, r1 - 1) + 3) + 1, name);
}

void bicubic_rows(const InArray& x, int64_t x_row0, int64_t x_height, int64_t scale, const OutArray& out,
                  int64_t out_row0, int64_t r0, int64_t r1, int threads) {
  check_scale(scale);
  BicubicArgs args{};
  args.x = input_window(x, x_row0, "x");
  args.x_height = x_height;
  args.out = output_window(out, out_row0, "out");
  args.scale = scale;
  set_bicubic_phases(args);
  check_threads(threads);
  check_rows(r0, r1);
  check_image_window(args.x, "x");
  check_image_window(read_only(args.out), "out");
  check_width(read_only(args.out), scale * args.x.width, "out");
  check_apart(args.out, args.x, Sharing::kNever, "x");
  check_bicubic_rows(args, r0, r1, "x");
  if (r0 == r1) return;
  check_has_rows(read_only(args.out), r0, r1, "out");
  run_rows(kernel_table(current_isa()).bicubic, args, r0, r1, threads);
}

template <typename Array>
void check_image(const Array& image) {
  if (image.ndim() != 3 || image.shape(2) != kImageChannels || image.shape(0) == 0 || image.shape(1) == 0) {
    fail("the image must have shape (height, width, 3) and at least one pixel");
  }
}

template <typename Pointer, typename Array>
Pointer image_data(const Array& image, PixelType type, std::string_view name) {
  check_image(image);
  switch (type) {
    case PixelType::kU8: return array_data<uint8_t>(image, 3, name);
    case PixelType::kU16: return array_data<uint16_t>(image, 3, name);
    default: return array_data<float>(image, 3, name);
  }
}

void image_rows(const InArray& image, const InArray& offset, const OutArray& out, int64_t out_row0,
                int64_t r0, int64_t r1, int64_t height, int64_t width, int threads) {
  ImageArgs args{};
  args.type = pixel_type(image.dtype(), "image");
  args.image = image_data<const void*>(image, args.type, "image");
  args.height = static_cast<int64_t>(image.shape(0));
  args.width = static_cast<int64_t>(image.shape(1));
  args.out = output_window(out, out_row0, "out");
  const float* values = array_data<float>(offset, 1, "offset");
  if (offset.shape(0) != kImageChannels) fail("'offset' must have three values");
  std::copy_n(values, kImageChannels, args.offset);
  check_threads(threads);
  check_rows(r0, r1);
  check_image_window(read_only(args.out), "out");
  check_width(read_only(args.out), width, "out");
  if (height < args.height || width < args.width) fail("the image is larger than 'height' x 'width'");
  if (r1 > height) fail("'r1' is beyond 'height'");
  if (r0 == r1) return;
  check_has_rows(read_only(args.out), r0, r1, "out");
  run_rows(kernel_table(current_isa()).image, args, r0, r1, threads);
}

void store_rows(const InArray& x, int64_t x_row0, const OutArray& out, int64_t r0, int64_t r1, int threads) {
  StoreArgs args{};
  args.x = input_window(x, x_row0, "x");
  args.type = pixel_type(out.dtype(), "out");
  args.image = image_data<void*>(out, args.type, "out");
  args.width = static_cast<int64_t>(out.shape(1));
  check_threads(threads);
  check_rows(r0, r1);
  check_image_window(args.x, "x");
  if (args.width > args.x.width) fail("the image is wider than 'x'");
  if (r1 > static_cast<int64_t>(out.shape(0))) fail("'r1' is beyond the image's height");
  if (r0 == r1) return;
  check_has_rows(args.x, r0, r1, "x");
  run_rows(kernel_table(current_isa()).store, args, r0, r1, threads);
}

// Shuffles `x`, adds the bicubic enlargement of `image`, and stores the sum.
void image_ending_rows(const InArray& x, int64_t x_row0, int64_t scale, const std::optional<PlacedArray>& image,
                       int64_t image_height, const OutArray& out, int64_t r0, int64_t r1, const PixelList* pixels,
                       int threads) {
  check_scale(scale);
  ImageEnding ending{};
  ending.shuffle.x = input_window(x, x_row0, "x");
  ending.shuffle.scale = scale;
  ending.shuffle.channels = kImageChannels;
  ending.shuffle.out.width = scale * ending.shuffle.x.width;
  ending.shuffle.out.stride = kImageStride;
  ending.store.type = pixel_type(out.dtype(), "out");
  ending.store.image = image_data<void*>(out, ending.store.type, "out");
  ending.store.width = static_cast<int64_t>(out.shape(1));
  check_threads(threads);
  check_rows(r0, r1);
  check_channels(ending.shuffle.x, kImageChannels * scale * scale, "x");
  if (ending.store.width > ending.shuffle.out.width) fail("the image is wider than 'x' becomes");
  if (r1 > static_cast<int64_t>(out.shape(0))) fail("'r1' is beyond the image's height");
  if (image) {
    ending.adds_bicubic = true;
    ending.bicubic.x = input_window(*image, "image");
    ending.bicubic.x_height = image_height;
    ending.bicubic.scale = scale;
    set_bicubic_phases(ending.bicubic);
    check_image_window(ending.bicubic.x, "image");
    check_width(ending.bicubic.x, ending.shuffle.x.width, "image");
    check_bicubic_rows(ending.bicubic, r0, r1, "image");
  }
  if (r0 == r1) return;
  const int64_t end = (r1 - 1) / scale + 1;
  check_has_rows(ending.shuffle.x, r0 / scale, end, "x");
  if (pixels != nullptr) check_listed_rows(*pixels, ending.shuffle.x.width, r0 / scale, end);
  const nb::gil_scoped_release no_gil;
  run_image_ending(ending, current_isa(), r0, r1, threads, pixels);
}

}  // namespace

void bind_images(nb::module_& m) {
  using namespace nb::literals;
  m.def("bicubic_rows", &bicubic_rows, "x"_a, "x_row0"_a, "x_height"_a, "scale"_a, "out"_a, "out_row0"_a,
        "r0"_a, "r1"_a, "threads"_a = 1);
  m.def("image_rows", &image_rows, "image"_a, "offset"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a, "height"_a,
        "width"_a, "threads"_a = 1);
  m.def("image_ending_rows", &image_ending_rows, "x"_a, "x_row0"_a, "scale"_a, "image"_a.none(), "image_height"_a,
        "out"_a, "r0"_a, "r1"_a, "pixels"_a.none() = nb::none(), "threads"_a = 1);
  m.def("store_rows", &store_rows, "x"_a, "x_row0"_a, "out"_a, "r0"_a, "r1"_a, "threads"_a = 1);
}

}  // namespace sparsesr::bindings
