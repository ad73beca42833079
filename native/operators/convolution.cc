#include "operators/convolution.h"

#include <algorithm>
#include <numeric>

#include "core/kernel_table.h"
#include "core/rounding.h"
#include "core/threads.h"
#include "kernels/conv/packed_weights.h"
#include "operators/tap_sets.h"

namespace sparsesr {
namespace {

ConvArgs make_args(const ConvCall& call) {
  const PackedConv& conv = *call.conv;
  const int64_t row_pixels = call.out.width + 2;
  ConvArgs args{};
  args.input_count = static_cast<int>(call.inputs.size());
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const AnyWindow& input = call.inputs[i];
    const int64_t channels = conv.splits()[i];
    const bool may_skip = !call.always.empty() && conv.may_skip_zeros(i);
    const int64_t always =
        may_skip ? std::min(rounded_up(call.always[i], channel_group(conv.in())), channels) : channels;
    args.inputs[i] = {input.data, -input.row0 * row_pixels, input.stride, channels, always};
  }
  const int reach = conv.kernel() / 2;
  for (int64_t dy = -reach; dy <= reach; ++dy) {
    for (int64_t dx = -reach; dx <= reach; ++dx) args.tap_pixels[args.tap_count++] = dy * row_pixels + dx;
  }
  args.out = by_pixel_number(call.out);
  args.clear_end = call.clears_rest ? call.out.stride : 0;
  args.addend = by_pixel_number(call.addend);
  args.residual = by_pixel_number(call.residual);
  if (call.out.type == MapType::kU8) {
    args.out_factor = call.out_steps.factor();
    args.out_offset = call.out_steps.offset();
  }
  args.activation = call.activation;
  args.slope = call.slope;
  args.slopes = call.slopes;
  return args;
}

// Pixel numbers of positions `first` to `end`, counted row by row from row r0.
void list_pixels(int64_t r0, int64_t width, int64_t first, int64_t end, int32_t* pixels) {
  int64_t row = r0 + first / width;
  for (int64_t n = first; n < end; ++row) {
    const int64_t x = n % width;
    const int64_t count = std::min(width - x, end - n);
    const auto pixel = static_cast<int32_t>(row * (width + 2) + x + 1);
    std::iota(pixels, pixels + count, pixel);
    pixels += count;
    n += count;
  }
}

}  // namespace

PackedConv::PackedConv(const float* weight, const float* bias, int64_t c_out, int64_t c_in, int kernel,
                       std::vector<int64_t> splits, MapType in, const std::vector<MapSteps>& steps, Isa isa)
    : c_in_(c_in), c_out_(c_out), kernel_(kernel), splits_(std::move(splits)), in_(in), isa_(isa) {
  for (const MapSteps& input : steps) zeros_.push_back(input.zero);
  const int64_t taps = kernel * kernel;
  ConvWeights weights{in, c_out, taps, {}, bias};
  ConvSum& sum = weights.sum;
  std::vector<int64_t> first_channels;  // per tap of each input
  std::vector<float> scales;            // likewise
  int64_t first = 0;
  for (size_t i = 0; i < splits_.size(); ++i) {
    const int64_t channels = splits_[i];
    scales.insert(scales.end(), static_cast<size_t>(taps), steps.empty() ? 1.0f : steps[i].scale);
    if (!steps.empty()) sum.tap_zeros.insert(sum.tap_zeros.end(), static_cast<size_t>(taps), steps[i].zero);
    sum.tap_channels.insert(sum.tap_channels.end(), static_cast<size_t>(taps), channels);
    first_channels.insert(first_channels.end(), static_cast<size_t>(taps), first);
    first += channels;
  }
  sum.weight_at = [&](int64_t o, size_t tap, int64_t c) {
    const auto within = static_cast<int64_t>(tap) % taps;
    return weight[(o * c_in + first_channels[tap] + c) * taps + within] * scales[tap];
  };
  packed_ = PackedKernel(isa, weights);
}

ConvRun::ConvRun(const ConvCall& call)
    : packed_(&call.conv->packed()), out_(call.out.type), args_(make_args(call)) {
  if (call.copy.data == nullptr) return;
  const KernelTable& table = kernel_table(call.conv->isa());
  copy_ = (out_ == MapType::kBf16 ? table.quantise_pixels_bf16 : table.quantise_pixels).run;
  copy_args_ = {by_pixel_number(call.out), by_pixel_number(call.copy), call.copy_steps.factor(),
                call.copy_steps.offset()};
  if (!kernels().writes_copies) return;
  args_.copy = copy_args_.out;
  args_.copy_factor = copy_args_.factor;
  args_.copy_offset = copy_args_.offset;
}

void ConvRun::copy(std::span<const int32_t> pixels) const {
  copy_(copy_args_, pixels.data(), static_cast<int64_t>(pixels.size()));
}

ConvWorker::ConvWorker(const ConvRun& run) : run_(run), thread_(run.kernels().thread), args_(run.args_) {
  args_.scratch = thread_.scratch();
}

void ConvWorker::run(const ConvArgs& args, std::span<const int32_t> pixels) const {
  const auto chunk = static_cast<size_t>(run_.kernels().chunk_pixels);
  if (run_.copy_ == nullptr || run_.kernels().writes_copies) return run_some(args, pixels);
  // In chunks, so that results are copied while they are in the nearest cache.
  ConvArgs rest = args;
  for (; !pixels.empty(); pixels = pixels.subspan(std::min(chunk, pixels.size()))) {
    const auto some = pixels.first(std::min(chunk, pixels.size()));
    run_some(rest, some);
    run_.copy(some);
    if (rest.taps != nullptr) rest.taps += some.size();
  }
}

void ConvWorker::run_some(const ConvArgs& args, std::span<const int32_t> pixels) const {
  run_.packed_->run(args, run_.out_, pixels.data(), pixels.data(), static_cast<int64_t>(pixels.size()));
}

void ConvWorker::at(std::span<const int32_t> pixels, std::span<const uint16_t> taps) const {
  if (!run_.kernels().leaves_taps_out) return at(pixels);
  const PixelsByTaps sorted = sorted_by_taps(pixels, taps);
  ConvArgs args = args_;
  args.taps = sorted.taps.data();
  run(args, sorted.pixels);
}

void conv_rows(const ConvCall& call, int64_t r0, int64_t r1, int threads) {
  const ConvRun run(call);
  const int64_t width = call.out.width;
  const int64_t chunk = run.kernels().chunk_pixels;
  parallel_for(threads, 0, (r1 - r0) * width, run.kernels().group_pixels, [&](int64_t begin, int64_t end) {
    const ConvWorker worker(run);
    int32_t pixels[kMaxChunkPixels];
    for (int64_t n = begin; n < end; n += chunk) {
      const int64_t count = std::min(chunk, end - n);
      list_pixels(r0, width, n, n + count, pixels);
      worker.at({pixels, static_cast<size_t>(count)});
    }
  });
}

void conv_pixels(const ConvCall& call, std::span<const int32_t> pixels, int threads) {
  const ConvRun run(call);
  const auto count = static_cast<int64_t>(pixels.size());
  parallel_for(threads, 0, count, run.kernels().group_pixels, [&](int64_t begin, int64_t end) {
    ConvWorker(run).at(pixels.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
  });
}

}  // namespace sparsesr
