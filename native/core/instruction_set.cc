#include "core/instruction_set.h"

#include <cstdlib>
#include <stdexcept>

#include "core/detected_features.h"

namespace sparsesr {
namespace {

struct Level {
  std::string_view name;
  CpuFeatures needs;   // required for the set to be available
  CpuFeatures allows;  // additional to `needs` and to what lower sets allow
};

// Ascending. To add a set, add one line here and one name to Isa.
constexpr Level kLevels[kIsaCount] = {
    {"scalar", kNoFeatures, kNoFeatures},
    {"avx2", kNeedsAvx2, kNoFeatures},
    {"avx2_vnni", kNeedsAvx2Vnni, kNoFeatures},
    {"avx512", kNeedsAvx512, CpuFeature::kFastPermute},
    {"avx512_vnni", kNeedsAvx512Vnni, CpuFeature::kAvx512Vbmi},
    {"avx512_bf16", kNeedsAvx512Bf16, kNoFeatures},
    {"amx", kNeedsAmxBf16, kNeedsAmx},
};

constexpr int kNotForced = -1;

// Per thread: forcing a set in one run must not affect another.
thread_local int forced_isa = kNotForced;

const Level& level_of(Isa isa) { return kLevels[static_cast<size_t>(isa)]; }

// Requests AMX only where it may be used.
bool is_available(Isa isa) {
  CpuFeatures features = detected_features();
  const CpuFeatures needs = level_of(isa).needs;
  if (needs.includes(CpuFeature::kAmxTile)) features = features | amx_state().features;
  return features.includes(needs);
}

std::string all_names() {
  std::string names;
  for (int i = 0; i < kIsaCount; ++i) {
    if (i > 0) names += i + 1 < kIsaCount ? ", " : " or ";
    names += kLevels[i].name;
  }
  return names;
}

Isa parse(std::string_view name, const std::string& where) {
  for (int i = 0; i < kIsaCount; ++i) {
    if (kLevels[i].name == name) return static_cast<Isa>(i);
  }
  throw std::invalid_argument(where + ": unknown instruction set '" + std::string(name) + "'; choose " +
                              all_names());
}

// The best available set up to `limit`.
Isa best_up_to(Isa limit) {
  int i = static_cast<int>(limit);
  while (i > 0 && !is_available(static_cast<Isa>(i))) --i;
  return static_cast<Isa>(i);
}

}  // namespace

std::string_view isa_name(Isa isa) { return level_of(isa).name; }

CpuFeatures usable_features(Isa isa) {
  CpuFeatures allowed;
  for (int i = 0; i <= static_cast<int>(isa); ++i) allowed = allowed | kLevels[i].needs | kLevels[i].allows;
  CpuFeatures features = detected_features();
  if (allowed.includes(CpuFeature::kAmxTile)) features = features | amx_state().features;
  return features & allowed;
}

Isa best_isa() {
  const char* wanted = std::getenv("SPARSESR_CPU");
  const bool is_limited = wanted != nullptr && *wanted != '\0';
  return best_up_to(is_limited ? parse(wanted, "SPARSESR_CPU") : static_cast<Isa>(kIsaCount - 1));
}

Isa current_isa() {
  return forced_isa == kNotForced ? best_isa() : static_cast<Isa>(forced_isa);
}

std::string force_isa(std::string_view name) {
  const std::string before(forced_isa == kNotForced ? "" : isa_name(static_cast<Isa>(forced_isa)));
  if (name.empty()) {
    forced_isa = kNotForced;
    return before;
  }
  const Isa wanted = parse(name, "set_cpu");
  if (wanted > best_isa() || !is_available(wanted)) {
    throw std::invalid_argument("set_cpu: '" + std::string(name) + "' is not available here; the best is '" +
                                std::string(isa_name(best_isa())) + "'");
  }
  forced_isa = static_cast<int>(wanted);
  return before;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (int i = 0; i <= static_cast<int>(best_isa()); ++i) {
    if (is_available(static_cast<Isa>(i))) names.emplace_back(kLevels[i].name);
  }
  return names;
}

}  // namespace sparsesr
