#include "bindings/convolution.h"

#include <numeric>

#include "bindings/module.h"
#include "bindings/pixel_sets.h"
#include "bindings/reached_pixels.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

void check_splits(const std::vector<int64_t>& splits, int64_t c_in) {
  if (splits.empty() || splits.size() > kMaxSplits) {
    fail("'splits' must have 1 to " + std::to_string(kMaxSplits) + " entries");
  }
  for (const int64_t channels : splits) {
    if (channels < 1 || channels > c_in) fail("each of 'splits' must be 1 to the number of input channels");
  }
  if (std::accumulate(splits.begin(), splits.end(), int64_t{0}) != c_in) {
    fail("'splits' must add up to " + std::to_string(c_in) + " input channels");
  }
}

std::vector<MapSteps> checked_steps(const std::vector<Steps>& steps, MapType in, const std::vector<int64_t>& splits,
                                    int64_t terms) {
  if (in != MapType::kU8) {
    if (!steps.empty()) fail("'steps' are for inputs of type u8");
    return {};
  }
  if (steps.size() != splits.size()) fail("'steps' must have a scale and a zero for each of 'splits'");
  if (terms > kMaxInt8Terms) fail("the sum has too many terms for 32 bits");
  std::vector<MapSteps> checked;
  for (const Steps& one : steps) checked.push_back(map_steps(one, "steps"));
  return checked;
}

void make_packed(PackedConv* self, const InArray& weight, const std::optional<InArray>& bias,
                 const std::vector<int64_t>& splits, const std::string& dtype, const std::vector<Steps>& steps) {
  const float* w = array_data<float>(weight, 4, "weight");
  const auto c_out = static_cast<int64_t>(weight.shape(0));
  const auto c_in = static_cast<int64_t>(weight.shape(1));
  const auto kernel = static_cast<int>(weight.shape(2));
  if (weight.shape(2) != weight.shape(3) || (weight.shape(2) != 1 && weight.shape(2) != 3)) {
    fail("'weight' must be a 1x1 or 3x3 kernel");
  }
  if (c_out < 1 || c_in < 1) fail("'weight' must have at least one input and one output channel");
  check_splits(splits, c_in);
  const float* b = nullptr;
  if (bias) {
    b = array_data<float>(*bias, 1, "bias");
    if (static_cast<int64_t>(bias->shape(0)) != c_out) fail("'bias' must have one value per output channel");
  }
  const MapType in = parse_map_type(dtype);
  const std::vector<MapSteps> input_steps = checked_steps(steps, in, splits, c_in * kernel * kernel);
  new (self) PackedConv(w, b, c_out, c_in, kernel, splits, in, input_steps, current_isa());
}

const float* slopes_of(const InArray& slopes, const PackedConv& conv, Activation activation) {
  const float* values = array_data<float>(slopes, 1, "slopes");
  if (activation != Activation::kLeakyRelu) fail("'slopes' belong to the activation leaky_relu");
  if (static_cast<int64_t>(slopes.shape(0)) != conv.c_out()) {
    fail("'slopes' must have one value per output channel");
  }
  return values;
}

void rows(const PackedConv& p, const Inputs& inputs, const OutArray& out, int64_t out_row0, int64_t r0,
          int64_t r1, const std::string& activation, float slope, const OptionalSlopes& slopes,
          const OptionalMap& residual, const OptionalMap& accumulate, const std::optional<Steps>& out_steps,
          const std::optional<CopyArray>& copy, const PixelList* pixels, const std::optional<MaskAndReach>& reached,
          int threads) {
  ConvCall call = make_call(p, inputs, out, out_row0, activation, slope, slopes, residual, accumulate);
  set_out_steps(call, out_steps);
  set_copy(call, copy);
  check_threads(threads);
  check_shapes(call);
  check_conv_rows(call, r0, r1);
  if (pixels != nullptr) check_listed_rows(*pixels, call.out.width, r0, r1);
  if (reached) check_reached(*reached, call.out.width, r0, r1);
  const nb::gil_scoped_release no_gil;
  if (reached) {
    const ReachedPixels near(*reached->first, reached->second);
    conv_pixels(call, pixels == nullptr ? near.in_rows(r0, r1) : near.among(pixels->in_rows(r0, r1)), threads);
  } else if (pixels == nullptr) {
    conv_rows(call, r0, r1, threads);
  } else {
    conv_pixels(call, pixels->in_rows(r0, r1), threads);
  }
}

}  // namespace

ConvCall make_call(const PackedConv& conv, const Inputs& inputs, const OutArray& out, int64_t out_row0,
                   const std::string& activation, float slope, const OptionalSlopes& slopes,
                   const OptionalMap& residual, const OptionalMap& accumulate) {
  ConvCall call;
  call.conv = &conv;
  for (const PlacedArray& input : inputs) call.inputs.push_back(any_window(input, "inputs"));
  call.out = any_output_window(out, out_row0, "out");
  call.addend = any_window(accumulate, "accumulate");
  call.residual = any_window(residual, "residual");
  call.activation = parse_activation(activation);
  call.slope = slope;
  if (slopes) call.slopes = slopes_of(*slopes, conv, call.activation);
  return call;
}

void set_out_steps(ConvCall& call, const std::optional<Steps>& steps) {
  if (steps.has_value() != (call.out.type == MapType::kU8)) fail("'out_steps' must be given for an 'out' of uint8");
  if (!steps) return;
  call.out_steps = map_steps(*steps, "out_steps");
  if (call.addend.data != nullptr || call.residual.data != nullptr) fail("nothing can be added to a quantised 'out'");
}

void set_copy(ConvCall& call, const std::optional<CopyArray>& copy) {
  if (!copy) return;
  const auto& [array, row0, steps] = *copy;
  call.copy = any_output_window(array, row0, "copy");
  call.copy_steps = map_steps(steps, "copy");
  if (call.copy.type != MapType::kU8 || call.out.type == MapType::kU8) {
    fail("'copy' must be of uint8, and 'out' of float32 or bf16");
  }
  if (call.copy.stride != call.out.stride) fail("'copy' and 'out' must have the same stride");
}

// Only the copy is written where it lies, and nothing of this call is read there.
void check_copy(const ConvCall& call) {
  check_width(call.copy, call.out.width, "copy");
  check_quantised(call.copy, "copy");
  check_apart(call.copy, call.out, Sharing::kNever, "copy");
  for (const AnyWindow& input : call.inputs) check_apart(call.copy, input, Sharing::kNever, "copy");
  for (const AnyWindow& added : {call.addend, call.residual}) {
    if (added.data != nullptr) check_apart(call.copy, added, Sharing::kNever, "copy");
  }
}

void check_shapes(const ConvCall& call) {
  const auto& splits = call.conv->splits();
  if (call.inputs.size() != splits.size()) {
    fail("'inputs' must be " + std::to_string(splits.size()) + " windows, not " +
         std::to_string(call.inputs.size()));
  }
  for (size_t i = 0; i < splits.size(); ++i) {
    check_width(call.inputs[i], call.out.width, "inputs");
    check_channels(call.inputs[i], splits[i], "inputs");
    check_quantised(call.inputs[i], "inputs");
    if (call.inputs[i].type != call.conv->in()) {
      fail("'inputs' are not of the type that the weights are packed for");
    }
    check_apart(call.out, call.inputs[i], Sharing::kNever, "inputs");
  }
  if (!call.conv->packed().writes(call.out.type)) fail("no kernel computes an 'out' of this type from these 'inputs'");
  check_channels(call.out, call.conv->c_out(), "out");
  check_quantised(call.out, "out");
  if (call.copy.data != nullptr) check_copy(call);
  for (const auto& [map, name] : {std::pair{call.addend, "accumulate"}, {call.residual, "residual"}}) {
    if (map.data == nullptr) continue;
    check_width(map, call.out.width, name);
    check_channels(map, call.conv->c_out(), name);
    if (map.type != call.out.type) fail("'" + std::string(name) + "' and 'out' must be of the same type");
    check_apart(call.out, map, Sharing::kSamePixel, name);
  }
}

void check_conv_rows(const ConvCall& call, int64_t r0, int64_t r1) {
  const int64_t reach = call.conv->kernel() / 2;
  check_rows(r0, r1);
  check_pixel_numbers(r1, call.out.width);
  if (r0 == r1) return;
  for (const AnyWindow& input : call.inputs) check_has_rows(input, r0 - reach, r1 + reach, "inputs");
  check_has_rows(call.out, r0, r1, "out");
  if (call.copy.data != nullptr) check_has_rows(call.copy, r0, r1, "copy");
  if (call.addend.data != nullptr) check_has_rows(call.addend, r0, r1, "accumulate");
  if (call.residual.data != nullptr) check_has_rows(call.residual, r0, r1, "residual");
}

void bind_convolution(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<PackedConv>(m, "PackedConv")
      .def("__init__", &make_packed, "weight"_a, "bias"_a.none(), "splits"_a, "dtype"_a = "f32",
           "steps"_a = std::vector<Steps>())
      .def_prop_ro("c_in", &PackedConv::c_in)
      .def_prop_ro("c_out", &PackedConv::c_out)
      .def_prop_ro("kernel", &PackedConv::kernel)
      .def_prop_ro("splits", [](const PackedConv& p) { return p.splits(); })
      .def_prop_ro("isa", [](const PackedConv& p) { return std::string(isa_name(p.isa())); })
      .def_prop_ro("nbytes", [](const PackedConv& p) { return p.packed().nbytes(); });
  m.def("conv_rows", &rows, "p"_a, "inputs"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a,
        "activation"_a = "none", "slope"_a = 0.0f, "slopes"_a.none() = nb::none(),
        "residual"_a.none() = nb::none(), "accumulate"_a.none() = nb::none(), "out_steps"_a.none() = nb::none(),
        "copy"_a.none() = nb::none(), "pixels"_a.none() = nb::none(), "reached"_a.none() = nb::none(),
        "threads"_a = 1);
}

}  // namespace sparsesr::bindings
