// The only place that chooses kernels.
#include "sparsesr/kernel_table.h"

#include "kernels/kernels.h"

namespace sparsesr {
namespace {

// Fills a table in ascending order of instruction sets, so that a better kernel replaces a plainer one.
KernelTable fill(Isa limit) {
  KernelTable table{};
  for (const Isa step : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16}) {
    if (step > limit) break;
#define SPARSESR_KERNEL(operation, Type, isa, name, param) \
  if (step == Isa::isa) table.operation = {#name, &name, param};
#include "kernels/kernels.inc"
#undef SPARSESR_KERNEL
  }
  return table;
}

}  // namespace

const KernelTable& kernel_table(Isa isa) {
  static const KernelTable tables[] = {fill(Isa::kScalar), fill(Isa::kAvx2), fill(Isa::kAvx512),
                                       fill(Isa::kAvx512Bf16)};
  return tables[static_cast<size_t>(isa)];
}

const Kernel<ConvKernel>& conv_kernel(Isa isa, MapType in, MapType out) {
  const KernelTable& table = kernel_table(isa);
  if (in == MapType::kF32) return out == MapType::kF32 ? table.conv : table.conv_f32_bf16;
  return out == MapType::kF32 ? table.conv_bf16_f32 : table.conv_bf16;
}

PackingRules packing_rules(Isa isa, MapType in) {
  const Isa vectors = in == MapType::kBf16 ? Isa::kAvx512Bf16 : Isa::kAvx512;
  const int64_t lane_channels = isa >= vectors ? 64 / value_bytes(in) : 0;
  return {in, conv_kernel(isa, in, MapType::kF32).param, lane_channels};
}

bool has_fast_bf16(Isa isa) { return isa >= Isa::kAvx512Bf16; }

std::vector<std::pair<std::string, std::string>> kernel_names(const KernelTable& table) {
  std::vector<std::pair<std::string, std::string>> names;
  const auto add = [&names](const char* operation, const auto& kernel) {
    names.emplace_back(operation, kernel.name);
  };
  add("conv", table.conv);
  add("conv_f32_bf16", table.conv_f32_bf16);
  add("conv_bf16_f32", table.conv_bf16_f32);
  add("conv_bf16", table.conv_bf16);
  add("conv_transpose2x", table.conv);  // four small convolutions
  add("fill_pixels", table.fill_pixels);
  add("mask", table.mask);
  add("avg_pool2x2", table.avg_pool);
  add("avg_pool2x2_bf16", table.avg_pool_bf16);
  add("row_sums", table.row_sums);
  add("row_sums_bf16", table.row_sums_bf16);
  add("channel_attention", table.channel_attention);
  add("scale_add", table.scale_add);
  add("scale_add_bf16", table.scale_add_bf16);
  add("add", table.add);
  add("bilinear", table.bilinear);
  add("unfold3x3", table.unfold);
  add("fold3x3", table.fold);
  add("layer_norm", table.layer_norm);
  add("segment_attention", table.segment_attention);
  add("pixel_shuffle", table.pixel_shuffle);
  add("bicubic", table.bicubic);
  add("image", table.image);
  add("store", table.store);
  add("peak", table.peak);
  add("peak_bf16", table.peak_bf16);
  return names;
}

}  // namespace sparsesr
