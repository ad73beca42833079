#include "kernels/tiles.h"
#include "kernels/train_conv/convolution_tiles.h"
#include "kernels/train_conv/weight_gradient_tiles.h"
#include "kernels/train_conv/weight_tiles.h"

namespace sparsesr {
namespace {

constexpr int64_t kNarrow = 32;
constexpr int64_t kWide = 64;

bool has_channels(int64_t channels) { return channels == kNarrow || channels == kWide; }

void convolve(const TrainConvArgs& args) {
  if (args.channels == kNarrow) return convolve_map<kNarrow / 32>(args);
  convolve_map<kWide / 32>(args);
}

void add_weight_gradient(const TrainWeightArgs& args) {
  if (args.channels == kNarrow) return add_map<kNarrow / 16>(args);
  add_map<kWide / 16>(args);
}

void unpack_gradient(const TrainGradientArgs& args, int64_t begin, int64_t end) {
  for (int64_t output = begin; output < end; ++output) unpack_row(args, output);
}

constexpr size_t kScratchBytes = 2 * sizeof(StripCopies<kWide / 16>);
static_assert(sizeof(BlockSums) <= kScratchBytes);

}  // namespace

const TrainConvKernels bf16_train_conv__amx_bf16 = {
    "bf16_train_conv__amx_bf16", kNeedsAmxBf16, &has_channels,    &pack_tiles, &convolve, &add_weight_gradient,
    &unpack_gradient,            {kScratchBytes, &configure_tiles, &release_tiles}};

}  // namespace sparsesr
