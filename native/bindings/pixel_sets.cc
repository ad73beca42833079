#include "bindings/pixel_sets.h"

#include <algorithm>
#include <string>
#include <vector>

#include "bindings/module.h"
#include "kernels/mask_lists/mask_lists.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

using Words = nb::ndarray<nb::numpy, uint64_t, nb::ndim<2>>;

void make_list(PixelList* self, const InArray& words, int64_t width) {
  const BitsArray set = bits_of(words, width, "words");
  check_pixel_numbers(set.height, width);
  new (self) PixelList(set.bits, set.height, width);
}

// Grows a set by a pixel to all sides, `steps` times.
Words spread(const InArray& words, int64_t width, int64_t steps) {
  const BitsArray set = bits_of(words, width, "words");
  const int64_t count = set.height * set.bits.row_words;
  auto* const data = new uint64_t[static_cast<size_t>(count)];
  const nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<uint64_t*>(p); });
  std::copy_n(set.bits.words, count, data);
  {
    const nb::gil_scoped_release no_gil;
    std::vector<uint64_t> next(static_cast<size_t>(count));
    for (int64_t step = 0; step < steps; ++step) {
      spread_by_one({data, set.bits.row_words}, set.height, width, next.data());
      std::copy(next.begin(), next.end(), data);
    }
  }
  return Words(data, {static_cast<size_t>(set.height), static_cast<size_t>(set.bits.row_words)}, owner);
}

}  // namespace

BitsArray bits_of(const InArray& array, int64_t width, std::string_view name) {
  const uint64_t* const words = array_data<uint64_t>(array, 2, name);
  const BitsArray set{{words, words_of(width)}, static_cast<int64_t>(array.shape(0))};
  const std::string quoted = "'" + std::string(name) + "'";
  if (width < 1 || set.height < 1) fail(quoted + " must have at least one pixel");
  if (static_cast<int64_t>(array.shape(1)) != set.bits.row_words) {
    fail(quoted + " must have " + std::to_string(set.bits.row_words) + " words per row");
  }
  for (int64_t r = 0; r < set.height; ++r) {
    const int64_t last = set.bits.row_words - 1;
    if ((row_of(set.bits, r)[last] & ~bits_within(width, last)) != 0) fail(quoted + " has bits beyond its width");
  }
  return set;
}

void check_listed_rows(const PixelList& pixels, int64_t width, int64_t r0, int64_t r1) {
  if (pixels.width() != width) fail("'pixels' must have the width of the map");
  if (r0 < 0 || r1 > pixels.height()) fail("'pixels' has " + std::to_string(pixels.height()) + " rows");
}

void bind_pixel_sets(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<PixelList>(m, "PixelList").def("__init__", &make_list, "words"_a, "width"_a);
  m.def("spread_pixels", &spread, "words"_a, "width"_a, "steps"_a);
}

}  // namespace sparsesr::bindings
