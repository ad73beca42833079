// Instruction sets that the kernels know, in ascending order of preference.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sparsesr {

enum class Isa : int { kScalar = 0, kAvx2 = 1, kAvx512 = 2, kAvx512Bf16 = 3 };

std::string_view isa_name(Isa isa);

// The best set of this processor and operating system, lowered by the environment variable SPARSESR_CPU.
// Throws std::invalid_argument when that variable names no known set.
Isa best_isa();

// The set in force in this thread: best_isa() unless it called force_isa().
Isa current_isa();

// Forces a set by name, for this thread; an empty name returns to the best one. Returns the name that was
// forced before, "" if none. Throws std::invalid_argument for an unknown name or a set above best_isa().
std::string force_isa(std::string_view name);

// Names of all sets up to best_isa(), ascending.
std::vector<std::string> available_isas();

}  // namespace sparsesr
