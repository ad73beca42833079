// Which kernel runs each operation.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sparsesr/cpu_features.h"
#include "sparsesr/kernel_types.h"
#include "sparsesr/packed_weights.h"

namespace sparsesr {

// `param` is the tile's output channels for a convolution and the FLOPs per iteration for a peak.
template <typename Function>
struct Kernel {
  std::string_view name;
  Function* run;
  int param;
};

// Names without a type are of maps in fp32; `conv_x_y` reads maps of type x and writes maps of type y.
struct KernelTable {
  Kernel<ConvKernel> conv;
  Kernel<ConvKernel> conv_f32_bf16;
  Kernel<ConvKernel> conv_bf16_f32;
  Kernel<ConvKernel> conv_bf16;
  Kernel<FillPixelsKernel> fill_pixels;
  Kernel<MaskKernel> mask;
  Kernel<AvgPoolKernelOf<float>> avg_pool;
  Kernel<AvgPoolKernelOf<Bf16>> avg_pool_bf16;
  Kernel<RowSumsKernelOf<float>> row_sums;
  Kernel<RowSumsKernelOf<Bf16>> row_sums_bf16;
  Kernel<ChannelAttentionKernel> channel_attention;
  Kernel<ScaleAddKernelOf<float>> scale_add;
  Kernel<ScaleAddKernelOf<Bf16>> scale_add_bf16;
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
  Kernel<PeakKernel> peak_bf16;
};

// The kernels for an instruction set.
const KernelTable& kernel_table(Isa isa);

const Kernel<ConvKernel>& conv_kernel(Isa isa, MapType in, MapType out);

// How weights are packed for the convolutions of inputs of a type.
PackingRules packing_rules(Isa isa, MapType in);

// True if the set multiplies bf16 in hardware; other sets have the definitions only, which are slow.
bool has_fast_bf16(Isa isa);

// (operation, kernel name) for everything in a table.
std::vector<std::pair<std::string, std::string>> kernel_names(const KernelTable& table);

}  // namespace sparsesr
