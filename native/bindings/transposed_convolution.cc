#include "operators/transposed_convolution.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "bindings/checks.h"
#include "bindings/module.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

void make_packed(PackedDeconv* self, const InArray& weight, const std::optional<InArray>& bias,
                 const std::string& dtype) {
  const float* w = array_data<float>(weight, 4, "weight");
  const auto c_in = static_cast<int64_t>(weight.shape(0));
  const auto c_out = static_cast<int64_t>(weight.shape(1));
  if (weight.shape(2) != 3 || weight.shape(3) != 3) fail("'weight' must be a 3x3 kernel");
  if (c_out < 1 || c_in < 1) fail("'weight' must have at least one input and one output channel");
  const float* b = nullptr;
  if (bias) {
    b = array_data<float>(*bias, 1, "bias");
    if (static_cast<int64_t>(bias->shape(0)) != c_out) fail("'bias' must have one value per output channel");
  }
  const MapType in = parse_map_type(dtype);
  if (in == MapType::kU8) fail("transposed convolutions multiply f32 or bf16");
  new (self) PackedDeconv(w, b, c_in, c_out, in, current_isa());
}

void rows(const PackedDeconv& p, const InArray& x, int64_t x_row0, int64_t x_height, const OutArray& out,
          int64_t out_row0, int64_t r0, int64_t r1, int threads) {
  const AnyWindow in = any_window(x, x_row0, "x");
  const AnyWindow target = any_output_window(out, out_row0, "out");
  check_threads(threads);
  check_rows(r0, r1);
  check_channels(in, p.c_in(), "x");
  if (in.type != p.in()) fail("'x' is not of the type that the weights are packed for");
  if (target.type == MapType::kU8) fail("transposed convolutions write f32 or bf16");
  check_channels(target, p.c_out(), "out");
  check_width(target, 2 * in.width, "out");
  check_apart(target, in, Sharing::kNever, "x");
  if (x_height < 0 || r1 > 2 * x_height) fail("the output has 2 * x_height rows; fewer than 'r1'");
  check_pixel_numbers(r1, target.width);
  if (r0 == r1) return;
  check_has_rows(in, r0 / 2, std::min(r1 / 2 + 1, x_height), "x");
  check_has_rows(target, r0, r1, "out");
  const nb::gil_scoped_release no_gil;
  conv_transpose2x_rows(p, in, x_height, target, r0, r1, threads);
}

}  // namespace

void bind_transposed_convolution(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<PackedDeconv>(m, "PackedDeconv")
      .def("__init__", &make_packed, "weight"_a, "bias"_a.none(), "dtype"_a = "f32")
      .def_prop_ro("c_in", &PackedDeconv::c_in)
      .def_prop_ro("c_out", &PackedDeconv::c_out)
      .def_prop_ro("isa", [](const PackedDeconv& p) { return std::string(isa_name(p.isa())); })
      .def_prop_ro("nbytes", &PackedDeconv::nbytes);
  m.def("conv_transpose2x_rows", &rows, "p"_a, "x"_a, "x_row0"_a, "x_height"_a, "out"_a, "out_row0"_a,
        "r0"_a, "r1"_a, "threads"_a = 1);
}

}  // namespace sparsesr::bindings
