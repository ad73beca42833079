// Lists of pixels: made from mask logits, used to clear pixels.
#include "bindings/module.h"
#include "bindings/pixel_lists.h"
#include "sparsesr/convolution.h"
#include "sparsesr/parallel.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

constexpr int64_t kGrain = 1024;  // pixels to clear at a time

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

void zero_pixels(const OutArray& out, int64_t out_row0, const InArray& pixels, int threads) {
  const AnyWindow target = any_output_window(out, out_row0, "out");
  const PixelList list = pixel_list(pixels);
  check_threads(threads);
  const int64_t r1 = target.row0 + target.rows;
  check_pixel_numbers(std::max<int64_t>(r1, 0), target.width);
  const ZeroPixelsArgs args{by_pixel_number(target), target.stride * value_bytes(target.type), list.pixels};
  const auto kernel = kernel_table(current_isa()).zero_pixels;
  const nb::gil_scoped_release no_gil;
  check_pixels(list, target.width, std::max<int64_t>(target.row0, 0), r1);
  parallel_for(threads, 0, list.count, kGrain,
               [&](int64_t begin, int64_t end) { kernel.run(args, begin, end); });
}

}  // namespace

void bind_masks(nb::module_& m) {
  using namespace nb::literals;
  m.def("mask_rows", &mask_rows, "logits"_a, "row0"_a, "r0"_a, "r1"_a, "bias"_a, "active"_a, "n_active"_a,
        "inactive"_a, "n_inactive"_a);
  m.def("zero_pixels", &zero_pixels, "out"_a, "out_row0"_a, "pixels"_a, "threads"_a = 1);
}

}  // namespace sparsesr::bindings
