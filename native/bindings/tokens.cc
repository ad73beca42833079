// Transformer operations: pixels as tokens.
#include <nanobind/nanobind.h>

#include <cstdint>
#include <string>

#include "bindings/checks.h"
#include "bindings/module.h"
#include "bindings/run_rows.h"
#include "operators/segment_attention.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

constexpr int64_t kMaxHeads = 64;

void bilinear_rows(const InArray& x, int64_t x_row0, int64_t x_height, const OutArray& out, int64_t out_row0,
                   int64_t out_height, int64_t r0, int64_t r1, int threads) {
  const BilinearArgs args{input_window(x, x_row0, "x"), x_height, out_height,
                          output_window(out, out_row0, "out")};
  check_threads(threads);
  check_rows(r0, r1);
  if (x_height < 1) fail("'x_height' must be at least 1");
  if (r1 > out_height) fail("'out_height' must be at least r1");
  if (args.x.stride != args.out.stride) fail("'x' and 'out' must have the same stride");
  check_apart(args.out, args.x, Sharing::kNever, "x");
  if (r0 == r1) return;
  const int64_t steps = out_height > 1 ? out_height - 1 : 1;
  const int64_t last = (r1 - 1) * (x_height - 1);
  check_has_rows(args.x, r0 * (x_height - 1) / steps, (last + steps - 1) / steps + 1, "x");
  check_has_rows(read_only(args.out), r0, r1, "out");
  run_rows(kernel_table(current_isa()).bilinear, args, r0, r1, threads);
}

// Both maps have the same pixels; one has `channels` channels, the other nine times as many.
template <typename Args>
Args patch_args(const InArray& x, int64_t x_row0, const OutArray& out, int64_t out_row0, int64_t channels,
                int64_t in_factor, int64_t out_factor, int64_t r0, int64_t r1, int threads) {
  const Args args{input_window(x, x_row0, "x"), output_window(out, out_row0, "out"), channels};
  check_threads(threads);
  check_rows(r0, r1);
  if (channels < 1) fail("'channels' must be at least 1");
  check_width(args.x, args.out.width, "x");
  check_channels(args.x, channels * in_factor, "x");
  check_channels(read_only(args.out), channels * out_factor, "out");
  check_apart(args.out, args.x, Sharing::kNever, "x");
  if (r0 == r1) return args;
  check_has_rows(args.x, r0 - 1, r1 + 1, "x");
  check_has_rows(read_only(args.out), r0, r1, "out");
  return args;
}

void unfold3x3_rows(const InArray& x, int64_t x_row0, int64_t channels, const OutArray& out, int64_t out_row0,
                    int64_t r0, int64_t r1, int threads) {
  const auto args =
      patch_args<UnfoldArgs>(x, x_row0, out, out_row0, channels, 1, kNeighbourhood, r0, r1, threads);
  run_rows(kernel_table(current_isa()).unfold, args, r0, r1, threads);
}

void fold3x3_rows(const InArray& x, int64_t x_row0, int64_t channels, const OutArray& out, int64_t out_row0,
                  int64_t r0, int64_t r1, int threads) {
  const auto args = patch_args<FoldArgs>(x, x_row0, out, out_row0, channels, kNeighbourhood, 1, r0, r1, threads);
  run_rows(kernel_table(current_isa()).fold, args, r0, r1, threads);
}

void layer_norm_rows(const InArray& x, int64_t x_row0, const InArray& weight, const InArray& bias,
                     float epsilon, const OutArray& out, int64_t out_row0, int64_t r0, int64_t r1,
                     int threads) {
  const LayerNormArgs args{input_window(x, x_row0, "x"),
                           output_window(out, out_row0, "out"),
                           array_data<float>(weight, 1, "weight"),
                           array_data<float>(bias, 1, "bias"),
                           static_cast<int64_t>(weight.shape(0)),
                           epsilon};
  check_threads(threads);
  check_rows(r0, r1);
  if (args.channels < 1 || weight.shape(0) != bias.shape(0)) fail("'weight' and 'bias' must be equally long");
  check_width(args.x, args.out.width, "x");
  check_channels(args.x, args.channels, "x");
  check_channels(read_only(args.out), args.channels, "out");
  check_apart(args.out, args.x, Sharing::kSamePixel, "x");
  if (r0 == r1) return;
  check_has_rows(args.x, r0, r1, "x");
  check_has_rows(read_only(args.out), r0, r1, "out");
  run_rows(kernel_table(current_isa()).layer_norm, args, r0, r1, threads);
}

void segment_attention_rows(const InArray& qkv, int64_t qkv_row0, int64_t height, int64_t heads,
                            int64_t head_dim, int64_t segment_tokens, float scale, const OutArray& out,
                            int64_t out_row0, int64_t r0, int64_t r1, int threads) {
  SegmentAttention attention{input_window(qkv, qkv_row0, "qkv"), output_window(out, out_row0, "out"), 0,
                             segment_tokens, heads, head_dim, scale};
  check_threads(threads);
  check_rows(r0, r1);
  if (heads < 1 || heads > kMaxHeads) fail("'heads' must be 1 to " + std::to_string(kMaxHeads));
  if (head_dim < 1 || head_dim > kMaxHeadDim) fail("'head_dim' must be 1 to " + std::to_string(kMaxHeadDim));
  if (segment_tokens < 1) fail("'segment_tokens' must be at least 1");
  if (r1 > height) fail("'height' must be at least r1");
  check_width(attention.qkv, attention.out.width, "qkv");
  check_channels(attention.qkv, 3 * heads * head_dim, "qkv");
  check_channels(read_only(attention.out), heads * head_dim, "out");
  check_apart(attention.out, attention.qkv, Sharing::kNever, "qkv");
  if (r0 == r1) return;
  check_has_rows(attention.qkv, 0, height, "qkv");
  check_has_rows(read_only(attention.out), r0, r1, "out");
  const int64_t width = attention.out.width;
  attention.tokens = height * width;
  const Isa isa = current_isa();
  const nb::gil_scoped_release no_gil;
  run_segment_attention(isa, attention, r0 * width, r1 * width, threads);
}

}  // namespace

void bind_tokens(nb::module_& m) {
  using namespace nb::literals;
  m.def("bilinear_rows", &bilinear_rows, "x"_a, "x_row0"_a, "x_height"_a, "out"_a, "out_row0"_a,
        "out_height"_a, "r0"_a, "r1"_a, "threads"_a = 1);
  m.def("unfold3x3_rows", &unfold3x3_rows, "x"_a, "x_row0"_a, "channels"_a, "out"_a, "out_row0"_a, "r0"_a,
        "r1"_a, "threads"_a = 1);
  m.def("fold3x3_rows", &fold3x3_rows, "x"_a, "x_row0"_a, "channels"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a,
        "threads"_a = 1);
  m.def("layer_norm_rows", &layer_norm_rows, "x"_a, "x_row0"_a, "weight"_a, "bias"_a, "epsilon"_a, "out"_a,
        "out_row0"_a, "r0"_a, "r1"_a, "threads"_a = 1);
  m.def("segment_attention_rows", &segment_attention_rows, "qkv"_a, "qkv_row0"_a, "height"_a, "heads"_a,
        "head_dim"_a, "segment_tokens"_a, "scale"_a, "out"_a, "out_row0"_a, "r0"_a, "r1"_a, "threads"_a = 1);
}

}  // namespace sparsesr::bindings
