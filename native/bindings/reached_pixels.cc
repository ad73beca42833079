#include "bindings/reached_pixels.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <algorithm>
#include <string>

#include "bindings/checks.h"
#include "bindings/module.h"
#include "bindings/pixel_sets.h"
#include "operators/folded_convs.h"
#include "operators/row_moves.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

constexpr int64_t kMaxReach = 8;

void check_reach(int64_t reach) {
  if (reach < 0 || reach > kMaxReach) fail("the reach must be 0 to " + std::to_string(kMaxReach));
}

const float* bias_of(const InArray& bias, int64_t channels, std::string_view name) {
  const float* const values = array_data<float>(bias, 1, name);
  if (static_cast<int64_t>(bias.shape(0)) != channels) fail("'" + std::string(name) + "' must have one value per channel");
  return values;
}

void make_folded(FoldedConvs* self, const InArray& first, const InArray& first_bias, const InArray& second,
                 const InArray& second_bias) {
  const float* const w1 = array_data<float>(first, 4, "first");
  const float* const w2 = array_data<float>(second, 4, "second");
  const auto hidden = static_cast<int64_t>(first.shape(0)), outputs = static_cast<int64_t>(second.shape(0));
  if (hidden < 1 || first.shape(1) != kImageChannels || first.shape(2) != 3 || first.shape(3) != 3) {
    fail("'first' must have shape (hidden, 3, 3, 3)");
  }
  if (outputs < 1 || second.shape(1) != first.shape(0) || second.shape(2) != 3 || second.shape(3) != 3) {
    fail("'second' must have shape (outputs, hidden, 3, 3)");
  }
  const float* const b1 = bias_of(first_bias, hidden, "first_bias");
  const float* const b2 = bias_of(second_bias, outputs, "second_bias");
  new (self) FoldedConvs(w1, b1, hidden, w2, b2, outputs, current_isa());
}

void folded_rows(const FoldedConvs& convs, const InArray& image, int64_t image_row0, int64_t height,
                 const PixelMask& mask, int64_t reach, const std::optional<InArray>& wanted, const OutArray& out,
                 int64_t out_row0, int64_t r0, int64_t r1, int threads) {
  const InputWindow source = input_window(image, image_row0, "image");
  const Window target = output_window(out, out_row0, "out");
  check_threads(threads);
  check_rows(r0, r1);
  check_image_window(source, "image");
  check_width(source, target.width, "image");
  check_channels(target, (convs.outputs() + 3) / 4 * 4, "out");
  check_apart(target, source, Sharing::kNever, "image");
  check_reached({&mask, reach}, target.width, r0, r1);
  if (height != mask.height()) fail("'height' must be that of the mask");
  const uint64_t* words = nullptr;
  if (wanted) {
    const BitsArray set = bits_of(*wanted, target.width, "wanted");
    if (set.height != height) fail("'wanted' must have 'height' rows");
    words = set.bits.words;
  }
  if (r0 == r1) return;
  check_has_rows(source, std::max<int64_t>(r0 - kFoldedReach, 0), std::min(r1 + kFoldedReach, height), "image");
  check_has_rows(target, r0, r1, "out");
  const nb::gil_scoped_release no_gil;
  convs.run(source, height, {mask, reach}, words, target, r0, r1, threads);
}

void move(const OutArray& map, int64_t shift, int64_t rows, int64_t row0, const std::optional<MaskAndReach>& reached,
          int threads) {
  if (map.ndim() != 3) fail("'map' must have three dimensions");
  check_threads(threads);
  const auto size = static_cast<int64_t>(map.shape(0)), columns = static_cast<int64_t>(map.shape(1));
  if (shift < 0 || rows < 0 || rows > size - shift) fail("'map' does not have these rows");
  const auto pixel_bytes = static_cast<int64_t>(map.shape(2) * map.itemsize());
  const RowMove move{static_cast<std::byte*>(map.data()), columns * pixel_bytes, pixel_bytes, shift, rows};
  if (reached) {
    const auto& [mask, reach] = *reached;
    check_reach(reach);
    if (mask->width() + 2 != columns) fail("the mask must have the width of the map");
    if (row0 < 0 || row0 + rows > mask->height()) fail("the mask does not have these rows");
    const nb::gil_scoped_release no_gil;
    return move_rows(move, ReachedPixels(*mask, reach), row0, threads);
  }
  const nb::gil_scoped_release no_gil;
  move_rows(move, threads);
}

int64_t count(const PixelMask& mask, int64_t reach) {
  check_reached({&mask, reach}, mask.width(), 0, mask.rows());
  return ReachedPixels(mask, reach).count();
}

}  // namespace

void check_reached(const MaskAndReach& reached, int64_t width, int64_t r0, int64_t r1) {
  const auto& [mask, reach] = reached;
  check_reach(reach);
  if (mask->width() != width) fail("the mask must have the width of the map");
  if (r0 < 0 || r1 > mask->height() || std::min(r1 + reach, mask->height()) > mask->rows()) {
    fail("the mask has " + std::to_string(mask->rows()) + " rows so far");
  }
}

void bind_reached_pixels(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<FoldedConvs>(m, "FoldedConvs")
      .def("__init__", &make_folded, "first"_a, "first_bias"_a, "second"_a, "second_bias"_a);
  m.def("folded_convs_rows", &folded_rows, "convs"_a, "image"_a, "image_row0"_a, "height"_a, "mask"_a, "reach"_a,
        "wanted"_a.none(), "out"_a, "out_row0"_a, "r0"_a, "r1"_a, "threads"_a = 1);
  m.def("move_rows", &move, "map"_a, "shift"_a, "rows"_a, "row0"_a = 0, "reached"_a.none() = nb::none(), "threads"_a = 1);
  m.def("count_reached", &count, "mask"_a, "reach"_a);
}

}  // namespace sparsesr::bindings
