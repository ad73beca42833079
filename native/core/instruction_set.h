// Instruction sets by name: how far down the kernels are forced.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/cpu_features.h"

namespace sparsesr {

// An index into the list of sets; each allows all that lower ones allow, and more.
enum class Isa : int { kScalar, kAvx2, kAvx512, kAvx512Bf16, kAmx };

constexpr int kIsaCount = 5;

std::string_view isa_name(Isa isa);

// Those features of this processor that a set allows.
CpuFeatures usable_features(Isa isa);

// The best set of this processor and operating system, lowered by the environment variable SPARSESR_CPU.
// Throws std::invalid_argument when that variable names no known set.
Isa best_isa();

// The set in force in this thread: best_isa() unless it called force_isa().
Isa current_isa();

// Forces a set by name, for this thread; an empty name returns to the best one. Returns the name that was
// forced before, "" if none. Throws std::invalid_argument for an unknown name or a set that is not available.
std::string force_isa(std::string_view name);

// Names of all sets that this processor has, up to best_isa(), ascending.
std::vector<std::string> available_isas();

}  // namespace sparsesr
