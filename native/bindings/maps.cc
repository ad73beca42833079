// Feature-map operations other than convolutions.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bindings/checks.h"
#include "bindings/module.h"
#include "bindings/run_rows.h"
#include "operators/channel_attention.h"
#include "operators/pixel_mask.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;
using Vector = nb::ndarray<nb::numpy, float, nb::ndim<1>>;

// What an operation reads at inactive pixels of a mask: constants, in the type of its map.
using MaskedConstants = std::optional<std::pair<const PixelMask*, InArray>>;

template <typename T>
class Outside {
 public:
  Outside(const MaskedConstants& given, const WindowOf<const T>& x, int64_t channels, int64_t r1) {
    if (!given) return;
    const auto& [mask, constants] = *given;
    if (mask == nullptr) fail("the mask must not be None");
    const float* const all = array_data<float>(constants, 1, "constants");
    if (static_cast<int64_t>(constants.shape(0)) != channels) fail("'constants' must have one value per channel");
    if (mask->width() != x.width) fail("the mask and 'x' must have the same width");
    if (r1 > mask->rows()) fail("the mask has " + std::to_string(mask->rows()) + " rows so far");
    active = mask->bits();
    values_.resize(static_cast<size_t>(channels));
    std::transform(all, all + channels, values_.begin(), narrow<T>);
  }

  const T* values() const { return values_.data(); }

  InputPixelBits active{};

 private:
  std::vector<T> values_;
};

template <typename T>
void avg_pool2x2(const InArray& x, int64_t x_row0, const OutArray& out, int64_t out_row0, int64_t r0,
                 int64_t r1, const Kernel<AvgPoolKernelOf<T>>& kernel, int threads) {
  const AvgPoolArgsOf<T> args{input_window<T>(x, x_row0, "x"), output_window<T>(out, out_row0, "out")};
  check_threads(threads);
  check_rows(r0, r1);
  const bool fits = args.x.width / 2 == args.out.width;  // an odd last column is dropped
  if (!fits) check_width(args.x, 2 * args.out.width, "x");
  if (args.x.stride != args.out.stride) fail("'x' and 'out' must have the same stride");
  check_apart(args.out, args.x, Sharing::kNever, "x");
  if (r0 == r1) return;
  check_has_rows(args.x, 2 * r0, 2 * r1, "x");
  check_has_rows(args.out, r0, r1, "out");
  run_rows(kernel, args, r0, r1, threads);
}

void avg_pool2x2_rows(const InArray& x, int64_t x_row0, const OutArray& out, int64_t out_row0, int64_t r0,
                      int64_t r1, int threads) {
  const KernelTable& table = kernel_table(current_isa());
  if (map_type(x.dtype(), "x") == MapType::kBf16) {
    avg_pool2x2<Bf16>(x, x_row0, out, out_row0, r0, r1, table.avg_pool_bf16, threads);
  } else {
    avg_pool2x2<float>(x, x_row0, out, out_row0, r0, r1, table.avg_pool, threads);
  }
}

template <typename T>
void sum_rows(const InArray& x, int64_t row0, int64_t r0, int64_t r1, const OutArray& sums,
              const Kernel<RowSumsKernelOf<T>>& kernel, const MaskedConstants& outside, int threads) {
  const auto window = input_window<T>(x, row0, "x");
  const auto channels = static_cast<int64_t>(sums.ndim() == 2 ? sums.shape(1) : 0);
  const Outside<T> inactive(outside, window, channels, r1);
  const RowSumsArgsOf<T> args{window, inactive.active, inactive.values(), array_data<double>(sums, 2, "sums"),
                              channels};
  check_threads(threads);
  check_rows(r0, r1);
  check_channels(args.x, args.channels, "x");
  if (r1 > static_cast<int64_t>(sums.shape(0))) fail("'sums' must have a row for each of the rows up to r1");
  if (r0 == r1) return;
  check_has_rows(args.x, r0, r1, "x");
  run_rows(kernel, args, r0, r1, threads);
}

void row_sums(const InArray& x, int64_t row0, int64_t r0, int64_t r1, const OutArray& sums,
              const MaskedConstants& outside, int threads) {
  const KernelTable& table = kernel_table(current_isa());
  if (map_type(x.dtype(), "x") == MapType::kBf16) {
    sum_rows<Bf16>(x, row0, r0, r1, sums, table.row_sums_bf16, outside, threads);
  } else {
    sum_rows<float>(x, row0, r0, r1, sums, table.row_sums, outside, threads);
  }
}

const float* attention_array(const InArray& array, int64_t rows, int64_t columns, const char* name) {
  const float* data = array_data<float>(array, columns == 0 ? 1 : 2, name);
  if (static_cast<int64_t>(array.shape(0)) != rows ||
      (columns != 0 && static_cast<int64_t>(array.shape(1)) != columns)) {
    fail("'" + std::string(name) + "' does not have the shape of w1 [M, C], b1 [M], w2 [C, M], b2 [C]");
  }
  return data;
}

Vector channel_attention(const InArray& mean, const InArray& w1, const InArray& b1, const InArray& w2,
                         const InArray& b2) {
  ChannelAttentionArgs args{};
  args.mean = array_data<float>(mean, 1, "mean");
  args.channels = static_cast<int64_t>(mean.shape(0));
  array_data<float>(b1, 1, "b1");
  args.hidden = static_cast<int64_t>(b1.shape(0));
  if (args.channels < 1 || args.hidden < 1) fail("'mean' and 'b1' must not be empty");
  args.w1 = attention_array(w1, args.hidden, args.channels, "w1");
  args.b1 = attention_array(b1, args.hidden, 0, "b1");
  args.w2 = attention_array(w2, args.channels, args.hidden, "w2");
  args.b2 = attention_array(b2, args.channels, 0, "b2");
  auto out = std::make_unique<float[]>(static_cast<size_t>(args.channels));
  args.out = out.get();
  run_channel_attention(current_isa(), args);
  const nb::capsule owner(out.get(), [](void* p) noexcept { delete[] static_cast<float*>(p); });
  return Vector(out.release(), {static_cast<size_t>(args.channels)}, owner);
}

template <typename T>
const Kernel<QuantiseKernelOf<T>>& quantise_kernel() {
  const KernelTable& table = kernel_table(current_isa());
  if constexpr (std::is_same_v<T, Bf16>) {
    return table.quantise_bf16;
  } else {
    return table.quantise;
  }
}

// A copy of `x`; checks its window, called `name`.
template <typename T>
QuantiseArgsOf<T> quantise_args(const WindowOf<const T>& x, const OutArray& out, int64_t out_row0, const Steps& steps,
                           std::string_view name, int64_t r0, int64_t r1) {
  const MapSteps checked = map_steps(steps, name);
  const QuantiseArgsOf<T> args{x, output_window<U8>(out, out_row0, name), checked.factor(), checked.offset()};
  check_width(args.x, args.out.width, "x");
  if (args.x.stride != args.out.stride) fail("'x' and '" + std::string(name) + "' must have the same stride");
  check_quantised(args.out, name);
  check_apart(args.out, args.x, Sharing::kNever, "x");
  if (r0 < r1) check_has_rows(args.out, r0, r1, name);
  return args;
}

template <typename T>
void scale_add(const InArray& x, int64_t x_row0, const InArray& scale,
               const std::optional<PlacedArray>& residual, const OutArray& out, int64_t out_row0, int64_t r0,
               int64_t r1, const Kernel<ScaleAddKernelOf<T>>& kernel,
               const std::optional<CopyArray>& copy, const MaskedConstants& outside, int threads) {
  const auto window = input_window<T>(x, x_row0, "x");
  const float* const factors = array_data<float>(scale, 1, "scale");
  const auto channels = static_cast<int64_t>(scale.shape(0));
  const Outside<T> inactive(outside, window, channels, r1);
  const ScaleAddArgsOf<T> args{window,
                               input_window<T>(residual, "residual"),
                               output_window<T>(out, out_row0, "out"),
                               factors,
                               channels,
                               inactive.active,
                               inactive.values()};
  check_threads(threads);
  check_rows(r0, r1);
  for (const auto& [map, name] : {std::pair{args.x, "x"}, {args.residual, "residual"}}) {
    if (map.data == nullptr) continue;
    check_width(map, args.out.width, name);
    check_channels(map, args.channels, name);
    check_apart(args.out, map, Sharing::kSamePixel, name);
    if (r0 < r1) check_has_rows(map, r0, r1, name);
  }
  check_channels(args.out, args.channels, "out");
  if (r0 == r1) return;
  check_has_rows(args.out, r0, r1, "out");
  if (!copy) return run_rows(kernel, args, r0, r1, threads);
  const auto& [copied, row0, steps] = *copy;
  const auto copy_args = quantise_args(read_only(args.out), copied, row0, steps, "copy", r0, r1);
  for (const auto& map : {args.x, args.residual}) {
    if (map.data != nullptr) check_apart(copy_args.out, map, Sharing::kNever, "copy");
  }
  run_rows(kernel, args, quantise_kernel<T>(), copy_args, r0, r1, threads);
}

void scale_add_rows(const InArray& x, int64_t x_row0, const InArray& scale,
                    const std::optional<PlacedArray>& residual, const OutArray& out, int64_t out_row0,
                    int64_t r0, int64_t r1, const std::optional<CopyArray>& copy, const MaskedConstants& outside,
                    int threads) {
  const KernelTable& table = kernel_table(current_isa());
  if (map_type(x.dtype(), "x") == MapType::kBf16) {
    scale_add<Bf16>(x, x_row0, scale, residual, out, out_row0, r0, r1, table.scale_add_bf16, copy, outside,
                    threads);
  } else {
    scale_add<float>(x, x_row0, scale, residual, out, out_row0, r0, r1, table.scale_add, copy, outside, threads);
  }
}

template <typename T>
void quantise_rows_of(const InArray& x, int64_t x_row0, const OutArray& out, int64_t out_row0, int64_t r0, int64_t r1,
                      const Steps& out_steps, int threads) {
  const auto args = quantise_args(input_window<T>(x, x_row0, "x"), out, out_row0, out_steps, "out", r0, r1);
  if (r0 == r1) return;
  check_has_rows(args.x, r0, r1, "x");
  run_rows(quantise_kernel<T>(), args, r0, r1, threads);
}

void quantise_rows(const InArray& x, int64_t x_row0, const OutArray& out, int64_t out_row0, int64_t r0, int64_t r1,
                   const Steps& out_steps, int threads) {
  check_threads(threads);
  check_rows(r0, r1);
  const bool is_bf16 = map_type(x.dtype(), "x") == MapType::kBf16;
  (is_bf16 ? quantise_rows_of<Bf16> : quantise_rows_of<float>)(x, x_row0, out, out_row0, r0, r1, out_steps, threads);
}

template <typename T>
void add_maps(const std::vector<PlacedArray>& inputs, const InArray& factors, const std::string& activation,
              const InArray& slopes, const OutArray& out, int64_t out_row0, int64_t r0, int64_t r1,
              const Kernel<AddKernelOf<T>>& kernel, int threads) {
  AddArgsOf<T> args{};
  args.input_count = static_cast<int>(inputs.size());
  const float* values = array_data<float>(factors, 1, "factors");
  if (factors.shape(0) != inputs.size()) fail("'factors' must have one value per input");
  std::copy_n(values, inputs.size(), args.factors);
  args.activation = parse_activation(activation);
  args.slopes = array_data<float>(slopes, 1, "slopes");
  args.channels = static_cast<int64_t>(slopes.shape(0));
  args.out = output_window<T>(out, out_row0, "out");
  check_threads(threads);
  check_rows(r0, r1);
  check_channels(read_only(args.out), args.channels, "out");
  if (args.out.stride % kImageStride != 0) fail("'out' must have a stride that is a multiple of 4");
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto& x = args.inputs[i] = input_window<T>(inputs[i], "inputs");
    check_width(x, args.out.width, "inputs");
    if (x.stride != args.out.stride) fail("'inputs' and 'out' must have the same stride");
    check_apart(args.out, x, Sharing::kSamePixel, "inputs");
    if (r0 < r1) check_has_rows(x, r0, r1, "inputs");
  }
  if (r0 == r1) return;
  check_has_rows(read_only(args.out), r0, r1, "out");
  run_rows(kernel, args, r0, r1, threads);
}

void add_rows(const std::vector<PlacedArray>& inputs, const InArray& factors, const std::string& activation,
              const InArray& slopes, const OutArray& out, int64_t out_row0, int64_t r0, int64_t r1,
              int threads) {
  if (inputs.empty() || inputs.size() > kMaxAddends) {
    fail("'inputs' must be 1 to " + std::to_string(kMaxAddends) + " windows");
  }
  const KernelTable& table = kernel_table(current_isa());
  if (map_type(inputs[0].first.dtype(), "inputs") == MapType::kBf16) {
    add_maps<Bf16>(inputs, factors, activation, slopes, out, out_row0, r0, r1, table.add_bf16, threads);
  } else {
    add_maps<float>(inputs, factors, activation, slopes, out, out_row0, r0, r1, table.add, threads);
  }
}

void pixel_shuffle_rows(const InArray& x, int64_t x_row0, int64_t scale, int64_t channels,
                        const std::optional<PlacedArray>& skip, const OutArray& out, int64_t out_row0,
                        int64_t r0, int64_t r1, int threads) {
  check_scale(scale);
  const PixelShuffleArgs args{input_window(x, x_row0, "x"), input_window(skip, "skip"),
                              output_window(out, out_row0, "out"), scale, channels};
  check_threads(threads);
  check_rows(r0, r1);
  if (channels < 1 || channels > args.x.stride) fail("'channels' must be 1 to what 'x' has room for");
  check_channels(args.x, channels * scale * scale, "x");
  check_channels(read_only(args.out), channels, "out");
  check_width(read_only(args.out), scale * args.x.width, "out");
  check_apart(args.out, args.x, Sharing::kNever, "x");
  check_apart(args.out, args.skip, Sharing::kSamePixel, "skip");
  if (args.skip.data != nullptr) {
    check_width(args.skip, args.out.width, "skip");
    if (args.skip.stride != args.out.stride) fail("'skip' and 'out' must have the same stride");
    if (r0 < r1) check_has_rows(args.skip, r0, r1, "skip");
  }
  if (r0 == r1) return;
  check_has_rows(args.x, r0 / scale, (r1 - 1) / scale + 1, "x");
  check_has_rows(read_only(args.out), r0, r1, "out");
  run_rows(kernel_table(current_isa()).pixel_shuffle, args, r0, r1, threads);
}

}  // namespace

void bind_maps(nb::module_& m) {
  using namespace nb::literals;
  m.def("avg_pool2x2_rows", &avg_pool2x2_rows, "x"_a, "x_row0"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a,
        "threads"_a = 1);
  m.def("row_sums", &row_sums, "x"_a, "row0"_a, "r0"_a, "r1"_a, "sums"_a, "outside"_a.none() = nb::none(),
        "threads"_a = 1);
  m.def("channel_attention", &channel_attention, "mean"_a, "w1"_a, "b1"_a, "w2"_a, "b2"_a);
  m.def("add_rows", &add_rows, "inputs"_a, "factors"_a, "activation"_a, "slopes"_a, "out"_a, "out_row0"_a,
        "r0"_a, "r1"_a, "threads"_a = 1);
  m.def("pixel_shuffle_rows", &pixel_shuffle_rows, "x"_a, "x_row0"_a, "scale"_a, "channels"_a,
        "skip"_a.none(), "out"_a, "out_row0"_a, "r0"_a, "r1"_a, "threads"_a = 1);
  m.def("quantise_rows", &quantise_rows, "x"_a, "x_row0"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a, "out_steps"_a,
        "threads"_a = 1);
  m.def("scale_add_rows", &scale_add_rows, "x"_a, "x_row0"_a, "scale"_a, "residual"_a.none(), "out"_a,
        "out_row0"_a, "r0"_a, "r1"_a, "copy"_a.none() = nb::none(), "outside"_a.none() = nb::none(),
        "threads"_a = 1);
}

}  // namespace sparsesr::bindings
