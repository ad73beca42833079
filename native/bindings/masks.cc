// Masks and masked convolutions.
#include <algorithm>
#include <vector>

#include "bindings/convolution.h"
#include "bindings/module.h"
#include "bindings/pixel_sets.h"
#include "core/rounding.h"
#include "operators/masked_convolution.h"
#include "operators/upsampled_mask.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

void make_mask(PixelMask* self, int64_t height, int64_t width) {
  if (height < 1 || width < 1) fail("a mask has at least one row and one column");
  check_pixel_numbers(height, width);
  new (self) PixelMask(height, width);
}

void check_new_rows(const PixelMask& mask, int64_t r1) {
  if (r1 < mask.rows() || r1 > mask.height()) {
    fail("'r1' must be " + std::to_string(mask.rows()) + " to " + std::to_string(mask.height()) + ", got " +
         std::to_string(r1));
  }
}

void grow(PixelMask& mask, const InArray& logits, int64_t row0, int64_t r1, float bias, int threads) {
  const InputWindow window = input_window(logits, row0, "logits");
  check_threads(threads);
  check_width(window, mask.width(), "logits");
  check_channels(window, 2, "logits");
  check_new_rows(mask, r1);
  if (mask.rows() < r1) check_has_rows(window, mask.rows(), r1, "logits");
  const Isa isa = current_isa();
  const nb::gil_scoped_release no_gil;
  mask.grow(window, r1, bias, threads, isa);
}

void make_upsampled(UpsampledMaskWeights* self, const InArray& weight, const std::optional<InArray>& bias) {
  const float* const w = array_data<float>(weight, 4, "weight");
  const auto c_in = static_cast<int64_t>(weight.shape(0));
  if (c_in < 1 || weight.shape(1) != 2 || weight.shape(2) != 3 || weight.shape(3) != 3) {
    fail("'weight' must have shape (c_in, 2, 3, 3)");
  }
  const float* const b = bias ? array_data<float>(*bias, 1, "bias") : nullptr;
  if (bias && bias->shape(0) != 2) fail("'bias' must have two values");
  new (self) UpsampledMaskWeights(w, b, c_in, current_isa());
}

void grow_upsampled(PixelMask& mask, const UpsampledMaskWeights& weights, const InArray& x, int64_t x_row0,
                    int64_t x_height, int64_t r1, float bias, int threads) {
  const AnyWindow in = any_window(x, x_row0, "x");
  check_threads(threads);
  check_channels(in, weights.c_in(), "x");
  if (in.type == MapType::kU8) fail("masks are computed from f32 or bf16");
  if (in.stride % kMaskLanes != 0) fail("'x' must have a stride that is a multiple of " + std::to_string(kMaskLanes));
  if (2 * in.width != mask.width()) fail("the mask must have twice the width of 'x'");
  if (2 * x_height != mask.height()) fail("the mask must have 2 * x_height rows");
  check_new_rows(mask, r1);
  if (mask.rows() == r1) return;
  check_has_rows(in, mask.rows() / 2, std::min(r1 / 2 + 1, x_height), "x");
  const nb::gil_scoped_release no_gil;
  mask.grow(weights, in, x_height, r1, bias, threads);
}

using PixelArray = nb::ndarray<nb::numpy, int32_t, nb::ndim<1>>;

PixelArray copied(PixelMask::Pixels pixels) {
  auto* data = new int32_t[pixels.size()];
  std::copy(pixels.begin(), pixels.end(), data);
  const nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<int32_t*>(p); });
  return PixelArray(data, {pixels.size()}, owner);
}

void fill(PixelMask& mask, const InArray& words, int threads) {
  const BitsArray active = bits_of(words, mask.width(), "words");
  check_threads(threads);
  if (active.height != mask.height()) fail("'words' must have " + std::to_string(mask.height()) + " rows");
  const Isa isa = current_isa();
  const nb::gil_scoped_release no_gil;
  mask.fill(active.bits, threads, isa);
}

using WordArray = nb::ndarray<nb::numpy, uint64_t, nb::ndim<2>>;

WordArray words(const PixelMask& mask) {
  const InputPixelBits bits = mask.bits();
  const int64_t count = mask.rows() * bits.row_words;
  auto* const data = new uint64_t[static_cast<size_t>(count)];
  const nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<uint64_t*>(p); });
  std::copy_n(bits.words, count, data);
  return WordArray(data, {static_cast<size_t>(mask.rows()), static_cast<size_t>(bits.row_words)}, owner);
}

using FlagArray = nb::ndarray<nb::numpy, bool, nb::ndim<2>>;

FlagArray image(const PixelMask& mask, int64_t height, int64_t width) {
  if (height < 0 || height > mask.rows() || width < 0 || width > mask.width()) {
    fail("the mask has " + std::to_string(mask.rows()) + " rows so far and " + std::to_string(mask.width()) + " columns");
  }
  auto* const flags = new bool[static_cast<size_t>(height * width)];
  const nb::capsule owner(flags, [](void* p) noexcept { delete[] static_cast<bool*>(p); });
  bool* flag = flags;
  for (int64_t r = 0; r < height; ++r) {
    const uint64_t* const row = row_of(mask.bits(), r);
    for (int64_t x = 0; x < width; ++x) *flag++ = is_set(row, x);
  }
  return FlagArray(flags, {static_cast<size_t>(height), static_cast<size_t>(width)}, owner);
}

void check_mask_rows(const PixelMask& mask, int64_t r0, int64_t r1) {
  check_rows(r0, r1);
  if (r0 < 0 || r1 > mask.rows()) fail("the mask has " + std::to_string(mask.rows()) + " rows so far");
}

template <PixelMask::Pixels (PixelMask::*kList)(int64_t, int64_t) const>
PixelArray listed(const PixelMask& mask, int64_t r0, int64_t r1) {
  check_mask_rows(mask, r0, r1);
  return copied((mask.*kList)(r0, r1));
}

Fill parse_fill(const std::string& name) {
  if (name == "everywhere") return Fill::kEverywhere;
  if (name == "border") return Fill::kBorder;
  if (name == "nowhere") return Fill::kNowhere;
  fail("'fill' must be everywhere, border or nowhere, not '" + name + "'");
}

void set_always(ConvCall& call, const std::vector<int64_t>& always) {
  const auto& splits = call.conv->splits();
  bool fits = always.size() == splits.size() && call.conv->kernel() == 3;
  for (size_t i = 0; fits && i < splits.size(); ++i) fits = always[i] >= 0 && always[i] <= splits[i];
  if (!fits) fail("'always' must be a number of channels for each input of a 3x3 convolution");
  call.always = always;
}

// Channels of `out` written by a convolution outside the mask.
int64_t written_channels(const PackedConv* outside) {
  if (outside == nullptr) return 0;
  return rounded_up(outside->c_out(), kOutputGranule);
}

void masked_rows(const PackedConv& full, const Inputs& inputs, const PackedConv* outside,
                 const Inputs& outside_inputs, const PixelMask& mask, const OutArray& out, int64_t out_row0,
                 int64_t r0, int64_t r1, const std::string& activation, float slope,
                 const OptionalSlopes& slopes, const std::string& fill_name, const InArray& constants,
                 const std::optional<std::vector<int64_t>>& always, const OptionalMap& residual,
                 const std::optional<Steps>& out_steps, const std::optional<CopyArray>& copy,
                 const std::string& copied, int threads) {
  MaskedConvCall call;
  call.mask = &mask;
  call.fill = parse_fill(fill_name);
  call.full = make_call(full, inputs, out, out_row0, activation, slope, slopes, residual);
  set_out_steps(call.full, out_steps);
  set_copy(call.full, copy);
  call.copied = parse_fill(copied);
  if (copy && !residual) fail("'copy' needs a 'residual'");
  if (!copy && call.copied != Fill::kNowhere) fail("without a 'copy', 'copied' must be nowhere");
  if (residual && (outside != nullptr || call.fill != Fill::kNowhere)) {
    fail("with a 'residual' inactive pixels are left alone: 'outside' must be None and 'fill' nowhere");
  }
  if (outside != nullptr) {
    if (outside->c_out() > full.c_out()) fail("'outside' must not have more outputs than 'full'");
    call.outside = make_call(*outside, outside_inputs, out, out_row0, activation, slope, {});
    call.outside.slopes = call.full.slopes;  // its outputs are the first ones of `full`
    call.outside.clears_rest = false;
    set_out_steps(call.outside, out_steps);
    check_shapes(call.outside);
    check_conv_rows(call.outside, r0, r1);
  }
  const float* values = array_data<float>(constants, 1, "constants");
  call.constants.assign(values, values + constants.shape(0));
  check_threads(threads);
  check_shapes(call.full);
  if (always) set_always(call.full, *always);
  check_conv_rows(call.full, r0, r1);
  check_width(call.full.out, mask.width(), "out");
  const auto constant_count = static_cast<int64_t>(call.constants.size());
  check_channels(call.full.out, constant_count, "out");
  if (outside != nullptr && constant_count > call.full.out.stride - written_channels(outside)) {
    fail("'constants' must leave the channels of 'outside' alone");
  }
  check_mask_rows(mask, r0, r1);
  const nb::gil_scoped_release no_gil;
  masked_conv_rows(call, r0, r1, threads);
}

}  // namespace

void bind_masks(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<UpsampledMaskWeights>(m, "UpsampledMaskWeights")
      .def("__init__", &make_upsampled, "weight"_a, "bias"_a.none())
      .def_prop_ro("nbytes", &UpsampledMaskWeights::nbytes);
  nb::class_<PixelMask>(m, "PixelMask")
      .def("__init__", &make_mask, "height"_a, "width"_a)
      .def_prop_ro("rows", &PixelMask::rows)
      .def_prop_ro("n_active", &PixelMask::n_active)
      .def_prop_ro("border_rows", &PixelMask::border_rows)
      .def("clear", &PixelMask::clear)
      .def("grow", &grow, "logits"_a, "row0"_a, "r1"_a, "bias"_a,
           "threads"_a = 1)
      .def("grow_upsampled", &grow_upsampled, "weights"_a, "x"_a, "x_row0"_a, "x_height"_a, "r1"_a, "bias"_a,
           "threads"_a = 1)
      .def("fill", &fill, "words"_a, "threads"_a = 1)
      .def("words", &words)
      .def("image", &image, "height"_a, "width"_a)
      .def("active", &listed<&PixelMask::active>, "r0"_a, "r1"_a)
      .def("inactive", &listed<&PixelMask::inactive>, "r0"_a, "r1"_a)
      .def("border", &listed<&PixelMask::border>, "r0"_a, "r1"_a);
  m.def("masked_conv_rows", &masked_rows, "full"_a, "inputs"_a, "outside"_a.none(), "outside_inputs"_a,
        "mask"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a, "activation"_a, "slope"_a, "slopes"_a.none(),
        "fill"_a, "constants"_a, "always"_a = nb::none(),
        "residual"_a.none() = nb::none(), "out_steps"_a.none() = nb::none(), "copy"_a.none() = nb::none(),
        "copied"_a = "nowhere", "threads"_a = 1);
}

}  // namespace sparsesr::bindings
