// Instruction sets by name, to force kernels down to a lower set.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/cpu_features.h"

namespace sparsesr {

// Index into the list of sets; each set also allows everything that lower sets allow.
enum class Isa : int { kScalar, kAvx2, kAvx2Vnni, kAvx512, kAvx512Vnni, kAvx512Bf16, kAmx };

constexpr int kIsaCount = 7;

std::string_view isa_name(Isa isa);

// Features of this processor that a set allows.
CpuFeatures usable_features(Isa isa);

// The best set of this processor and operating system, lowered by the environment variable SPARSESR_CPU. Throws
// std::invalid_argument if the variable names an unknown set.
Isa best_isa();

// The set in force in this thread: best_isa() unless force_isa() was called.
Isa current_isa();

// Forces a set by name for this thread; an empty name restores the best one. Returns the previously forced name, or ""
// if none. Throws std::invalid_argument if the name is unknown or the set is unavailable.
std::string force_isa(std::string_view name);

// Names of the available sets up to best_isa(), ascending.
std::vector<std::string> available_isas();

}  // namespace sparsesr
