// Which kernel runs each operation.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sparsesr/cpu_features.h"
#include "sparsesr/kernel_types.h"

namespace sparsesr {

// `param` is the tile's output channels for a convolution and the FLOPs per iteration for the peak.
template <typename Function>
struct Kernel {
  std::string_view name;
  Function* run;
  int param;
};

struct KernelTable {
  Kernel<ConvKernel> conv;
  Kernel<ZeroPixelsKernel> zero_pixels;
  Kernel<MaskKernel> mask;
  Kernel<AvgPoolKernel> avg_pool;
  Kernel<RowSumsKernel> row_sums;
  Kernel<ChannelAttentionKernel> channel_attention;
  Kernel<ScaleAddKernel> scale_add;
  Kernel<AddKernel> add;
  Kernel<BilinearKernel> bilinear;
  Kernel<UnfoldKernel> unfold;
  Kernel<FoldKernel> fold;
  Kernel<LayerNormKernel> layer_norm;
  Kernel<SegmentAttentionKernel> segment_attention;
  Kernel<PixelShuffleKernel> pixel_shuffle;
  Kernel<BicubicKernel> bicubic;
  Kernel<ImageKernel> image;
  Kernel<StoreKernel> store;
  Kernel<PeakKernel> peak;
};

// The fp32 kernels for an instruction set.
const KernelTable& kernel_table(Isa isa);

// (operation, kernel name) for everything in a table.
std::vector<std::pair<std::string, std::string>> kernel_names(const KernelTable& table);

}  // namespace sparsesr
