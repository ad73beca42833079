// Kernel selection, in this file only.
#include "core/kernel_table.h"

#include <algorithm>
#include <mutex>

#include "kernels/conv/packed_weights.h"

namespace sparsesr {

#define SPARSESR_KERNEL(slot, Type, needs, name) Type name;
#include "kernels/kernels.inc"

namespace {

// Kernels are listed in ascending order, so a later one replaces a plainer one.
KernelTable fill(CpuFeatures features) {
  KernelTable table{};
#define SPARSESR_KERNEL(slot, Type, needs, name) \
  if (features.includes(needs)) table.slot = {#name, &name};
#define SPARSESR_CONV(name) \
  if (features.includes(name.needs)) table.conv.push_back(&name);
#include "kernels/kernels.inc"
  std::reverse(table.conv.begin(), table.conv.end());
#if defined(__x86_64__)
  if (features.includes(bf16_train_conv__amx_bf16.needs)) table.train_conv = &bf16_train_conv__amx_bf16;
#endif
  return table;
}

// The best kernels for an input type, regardless of shape, for dense or for balanced weights; null: none.
const ConvKernels* find_conv(const KernelTable& table, MapType in, bool balanced) {
  const auto found = std::find_if(table.conv.begin(), table.conv.end(), [&](const ConvKernels* kernels) {
    return kernels->in == in && kernels->needs_balanced == balanced;
  });
  return found == table.conv.end() ? nullptr : *found;
}

// Those for dense weights, which all types have.
const ConvKernels& best_conv(const KernelTable& table, MapType in) { return *find_conv(table, in, false); }

}  // namespace

const KernelTable& kernel_table(Isa isa) {
  static std::once_flag filled[kIsaCount];
  static KernelTable tables[kIsaCount];
  const auto i = static_cast<size_t>(isa);
  std::call_once(filled[i], [&] { tables[i] = fill(usable_features(isa)); });
  return tables[i];
}

const ConvKernels& conv_kernels(Isa isa, const ConvWeights& weights) {
  const std::vector<const ConvKernels*>& known = kernel_table(isa).conv;
  return **std::find_if(known.begin(), known.end(), [&](const ConvKernels* kernels) {
    return kernels->in == weights.in && (kernels->suits == nullptr || kernels->suits(weights));
  });
}

bool has_fast(Isa isa, MapType type) { return !best_conv(kernel_table(isa), type).needs.is_empty(); }

std::vector<std::pair<std::string, std::string>> kernel_names(const KernelTable& table) {
  const ConvKernels& f32 = best_conv(table, MapType::kF32);
  const ConvKernels& bf16 = best_conv(table, MapType::kBf16);
  const ConvKernels& u8 = best_conv(table, MapType::kU8);
  std::vector<std::pair<std::string, std::string>> names = {
      {"conv", f32.to[0].name},
      {"conv_f32_bf16", f32.to[1].name},
      {"conv_bf16_f32", bf16.to[0].name},
      {"conv_bf16", bf16.to[1].name},
      {"conv_u8_f32", u8.to[0].name},
      {"conv_u8_bf16", u8.to[1].name},
      {"conv_u8", u8.to[2].name},
      {"conv_transpose2x", f32.to[0].name},  // four small convolutions
  };
  constexpr std::pair<MapType, const char*> kBalanced[] = {
      {MapType::kF32, "conv_balanced"}, {MapType::kBf16, "conv_balanced_bf16"}, {MapType::kU8, "conv_balanced_u8"}};
  for (const auto& [in, label] : kBalanced) {
    const ConvKernels* const kernels = find_conv(table, in, true);
    if (kernels != nullptr) names.emplace_back(label, kernels->to[static_cast<int>(in)].name);
  }
  if (table.train_conv != nullptr) names.emplace_back("train_conv", table.train_conv->name);
#define SPARSESR_OPERATION(slot, Type, label) names.emplace_back(label, table.slot.name);
#include "kernels/kernels.inc"
  return names;
}

}  // namespace sparsesr
