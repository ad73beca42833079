#include "operators/transposed_convolution.h"

#include <algorithm>
#include <vector>

#include "core/kernel_thread.h"
#include "core/threads.h"

namespace sparsesr {
namespace {

// Input pixel i contributes to output pixels 2i - 1 (weight 0), 2i (weight 1) and 2i + 1 (weight 2). Hence an even
// output reads i with weight 1; an odd one reads i with weight 2 and i + 1 with weight 0.
struct Tap {
  int64_t step;    // 0: same pixel, 1: next pixel
  int64_t weight;  // index into the 3 weights of this axis
};

std::vector<Tap> axis_taps(int phase) {
  if (phase == 0) return {{0, 1}};
  return {{0, 2}, {1, 0}};
}

PackedKernel pack_phase(const PackedDeconv& deconv, const float* weight, const float* bias, int row_phase,
                        int column_phase) {
  std::vector<int64_t> tap_weights;
  for (const Tap& row : axis_taps(row_phase)) {
    for (const Tap& column : axis_taps(column_phase)) tap_weights.push_back(row.weight * 3 + column.weight);
  }
  ConvWeights weights{deconv.in(), deconv.c_out(), static_cast<int64_t>(tap_weights.size()), {}, bias};
  weights.sum.tap_channels.assign(tap_weights.size(), deconv.c_in());
  weights.sum.weight_at = [&](int64_t o, size_t tap, int64_t c) {
    return weight[(c * deconv.c_out() + o) * 9 + tap_weights[tap]];
  };
  return PackedKernel(deconv.isa(), weights);
}

// One phase of one output row.
struct Phase {
  const PackedKernel& packed;
  int64_t first_input;  // pixel numbers of the first pixel of each row
  int64_t first_output;

  void run(ConvArgs args, MapType out, int64_t width) const {
    const KernelThread thread(packed.kernels().thread);
    args.scratch = thread.scratch();
    const int64_t chunk = packed.kernels().chunk_pixels;
    int32_t in_pixels[kMaxChunkPixels];
    int32_t out_pixels[kMaxChunkPixels];
    for (int64_t x = 0; x < width; x += chunk) {
      const int64_t count = std::min(chunk, width - x);
      for (int64_t i = 0; i < count; ++i) {
        in_pixels[i] = static_cast<int32_t>(first_input + x + i);
        out_pixels[i] = static_cast<int32_t>(first_output + 2 * (x + i));
      }
      packed.run(args, out, in_pixels, out_pixels, count);
    }
  }
};

void run_row(const PackedDeconv& deconv, ConvArgs args, MapType out, int64_t width, int64_t row,
             bool has_next_row) {
  const int row_phase = static_cast<int>(row % 2);
  for (int column_phase = 0; column_phase < 2; ++column_phase) {
    args.tap_count = 0;
    for (const Tap& r : axis_taps(row_phase)) {
      if (r.step == 1 && !has_next_row) break;  // rows are the outer order of the weights, so the rest can be skipped
      for (const Tap& c : axis_taps(column_phase)) {
        args.tap_pixels[args.tap_count++] = r.step * (width + 2) + c.step;
      }
    }
    Phase{deconv.phase(row_phase, column_phase), row / 2 * (width + 2) + 1,
          row * (2 * width + 2) + 1 + column_phase}
        .run(args, out, width);
  }
}

}  // namespace

PackedDeconv::PackedDeconv(const float* weight, const float* bias, int64_t c_in, int64_t c_out, MapType in,
                           Isa isa)
    : c_in_(c_in), c_out_(c_out), in_(in), isa_(isa) {
  for (int row_phase = 0; row_phase < 2; ++row_phase) {
    for (int column_phase = 0; column_phase < 2; ++column_phase) {
      phases_[static_cast<size_t>(2 * row_phase + column_phase)] =
          pack_phase(*this, weight, bias, row_phase, column_phase);
    }
  }
}

size_t PackedDeconv::nbytes() const {
  size_t bytes = 0;
  for (const PackedKernel& phase : phases_) bytes += phase.nbytes();
  return bytes;
}

void conv_transpose2x_rows(const PackedDeconv& deconv, const AnyWindow& x, int64_t x_height,
                           const AnyWindow& out, int64_t r0, int64_t r1, int threads) {
  ConvArgs args{};
  args.input_count = 1;
  args.clear_end = out.stride;
  const NumberedMap input = by_pixel_number(x);
  args.inputs[0] = {input.data, input.shift, input.stride, deconv.c_in(), deconv.c_in()};
  args.out = by_pixel_number(out);
  args.activation = Activation::kNone;
  parallel_for(threads, r0, r1, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      run_row(deconv, args, out.type, x.width, row, row / 2 + 1 < x_height);
    }
  });
}

}  // namespace sparsesr
