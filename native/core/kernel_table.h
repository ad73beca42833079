// Kernel of each operation.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/instruction_set.h"
#include "kernels/kernels.h"
#include "kernels/train_conv/train_conv.h"

namespace sparsesr {

template <typename Function>
struct Kernel {
  std::string_view name;
  Function* run;
};

// One slot per operation, and per map type where there are several; names without a type mean fp32 maps.
struct KernelTable {
#define SPARSESR_OPERATION(slot, Type, label) Kernel<Type> slot;
#include "kernels/kernels.inc"
  std::vector<const ConvKernels*> conv;  // best first
  const TrainConvKernels* train_conv;    // null: none; the lab trains with its own framework
};

// The kernels for an instruction set.
const KernelTable& kernel_table(Isa isa);

// The best kernels for a convolution.
const ConvKernels& conv_kernels(Isa isa, const ConvWeights& weights);

// True if the set multiplies values of this type in hardware; other sets have only the slow reference kernels.
bool has_fast(Isa isa, MapType type);

// (operation, kernel name) for every entry of a table.
std::vector<std::pair<std::string, std::string>> kernel_names(const KernelTable& table);

}  // namespace sparsesr
