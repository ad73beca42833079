// What this processor has and the operating system lets it use.
#pragma once

#include <string>
#include <vector>

#include "core/cpu_features.h"

namespace sparsesr {

// All that kernels may use here, without AMX, which has to be asked for.
CpuFeatures detected_features();

struct AmxState {
  CpuFeatures features;  // those of AMX that may be used
  std::string refusal;   // why there are none; empty if there are some
};

// Asks the system once for the tiles' registers; threads that exist already may use them too.
const AmxState& amx_state();

std::vector<std::string> feature_names(CpuFeatures features);

}  // namespace sparsesr
