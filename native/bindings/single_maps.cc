// Operations that make one map of another: depthwise convolution, enlargement by repetition, sigmoid.
#include <nanobind/stl/string.h>

#include <string>

#include "bindings/checks.h"
#include "bindings/module.h"
#include "bindings/run_rows.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

// One number per channel and per padding channel of a map.
const float* per_channel(const InArray& values, int64_t rows, int64_t stride, const char* name) {
  const float* data = array_data<float>(values, rows == 1 ? 1 : 2, name);
  const bool fits = static_cast<int64_t>(values.shape(values.ndim() - 1)) == stride &&
                    (rows == 1 || static_cast<int64_t>(values.shape(0)) == rows);
  if (!fits) {
    const std::string shape = (rows == 1 ? "" : std::to_string(rows) + ", ") + std::to_string(stride);
    fail("'" + std::string(name) + "' must have the shape [" + shape + "], the last of it the stride of 'out'");
  }
  return data;
}

template <typename T>
void depthwise_conv3x3(const InArray& x, int64_t x_row0, const InArray& weights, const InArray& bias,
                       const std::string& activation, const InArray& slopes, const OutArray& out, int64_t out_row0,
                       int64_t r0, int64_t r1, const Kernel<DepthwiseConvKernelOf<T>>& kernel, int threads) {
  DepthwiseConvArgsOf<T> args{};
  args.x = input_window<T>(x, x_row0, "x");
  args.out = output_window<T>(out, out_row0, "out");
  check_threads(threads);
  check_rows(r0, r1);
  check_width(args.x, args.out.width, "x");
  if (args.x.stride != args.out.stride) fail("'x' and 'out' must have the same stride");
  args.weights = per_channel(weights, kDepthwiseTaps, args.out.stride, "weights");
  args.bias = per_channel(bias, 1, args.out.stride, "bias");
  args.activation = parse_activation(activation);
  args.slopes = per_channel(slopes, 1, args.out.stride, "slopes");
  check_apart(args.out, args.x, Sharing::kNever, "x");
  if (r0 == r1) return;
  check_has_rows(args.x, r0 - 1, r1 + 1, "x");
  check_has_rows(args.out, r0, r1, "out");
  run_rows(kernel, args, r0, r1, threads);
}

void depthwise_conv3x3_rows(const InArray& x, int64_t x_row0, const InArray& weights, const InArray& bias,
                            const std::string& activation, const InArray& slopes, const OutArray& out,
                            int64_t out_row0, int64_t r0, int64_t r1, int threads) {
  const KernelTable& table = kernel_table(current_isa());
  if (map_type(x.dtype(), "x") == MapType::kBf16) {
    depthwise_conv3x3<Bf16>(x, x_row0, weights, bias, activation, slopes, out, out_row0, r0, r1,
                            table.depthwise_conv_bf16, threads);
  } else {
    depthwise_conv3x3<float>(x, x_row0, weights, bias, activation, slopes, out, out_row0, r0, r1,
                             table.depthwise_conv, threads);
  }
}

template <typename T>
void nearest(const InArray& x, int64_t x_row0, int64_t scale, const OutArray& out, int64_t out_row0, int64_t r0,
             int64_t r1, const Kernel<NearestKernelOf<T>>& kernel, int threads) {
  check_scale(scale);
  const NearestArgsOf<T> args{input_window<T>(x, x_row0, "x"), output_window<T>(out, out_row0, "out"), scale};
  check_threads(threads);
  check_rows(r0, r1);
  check_width(args.out, scale * args.x.width, "out");
  if (args.x.stride != args.out.stride) fail("'x' and 'out' must have the same stride");
  check_apart(args.out, args.x, Sharing::kNever, "x");
  if (r0 == r1) return;
  check_has_rows(args.x, r0 / scale, (r1 - 1) / scale + 1, "x");
  check_has_rows(args.out, r0, r1, "out");
  run_rows(kernel, args, r0, r1, threads);
}

void nearest_rows(const InArray& x, int64_t x_row0, int64_t scale, const OutArray& out, int64_t out_row0, int64_t r0,
                  int64_t r1, int threads) {
  const KernelTable& table = kernel_table(current_isa());
  if (map_type(x.dtype(), "x") == MapType::kBf16) {
    nearest<Bf16>(x, x_row0, scale, out, out_row0, r0, r1, table.nearest_bf16, threads);
  } else {
    nearest<float>(x, x_row0, scale, out, out_row0, r0, r1, table.nearest, threads);
  }
}

void sigmoid_rows(const InArray& x, int64_t x_row0, int64_t channels, const OutArray& out, int64_t out_row0,
                  int64_t r0, int64_t r1, int threads) {
  const SigmoidArgs args{input_window(x, x_row0, "x"), output_window(out, out_row0, "out"), channels};
  check_threads(threads);
  check_rows(r0, r1);
  if (channels < 1) fail("'channels' must be at least 1");
  check_width(args.x, args.out.width, "x");
  if (args.x.stride != args.out.stride) fail("'x' and 'out' must have the same stride");
  check_channels(args.x, channels, "x");
  check_apart(args.out, args.x, Sharing::kSamePixel, "x");
  if (r0 == r1) return;
  check_has_rows(args.x, r0, r1, "x");
  check_has_rows(read_only(args.out), r0, r1, "out");
  run_rows(kernel_table(current_isa()).sigmoid, args, r0, r1, threads);
}

}  // namespace

void bind_single_maps(nb::module_& m) {
  using namespace nb::literals;
  m.def("depthwise_conv3x3_rows", &depthwise_conv3x3_rows, "x"_a, "x_row0"_a, "weights"_a, "bias"_a, "activation"_a,
        "slopes"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a, "threads"_a = 1);
  m.def("nearest_rows", &nearest_rows, "x"_a, "x_row0"_a, "scale"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a,
        "threads"_a = 1);
  m.def("sigmoid_rows", &sigmoid_rows, "x"_a, "x_row0"_a, "channels"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a,
        "threads"_a = 1);
}

}  // namespace sparsesr::bindings
