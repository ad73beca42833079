// Processor features that the operating system lets this process use.
#pragma once

#include <string>
#include <vector>

#include "core/cpu_features.h"

namespace sparsesr {

// All usable features except AMX, which must be requested (see amx_state).
CpuFeatures detected_features();

struct AmxState {
  CpuFeatures features;  // usable AMX features
  std::string refusal;   // reason if there are none, otherwise empty
};

// Requests the tile registers once per process; the grant also covers threads that already exist.
const AmxState& amx_state();

std::vector<std::string> feature_names(CpuFeatures features);

}  // namespace sparsesr
