#include "sparsesr/cpu_features.h"

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace sparsesr {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"scalar", "avx2", "avx512", "avx512_bf16"};
constexpr int kNotForced = -1;

// Of each thread by itself: forcing one set in one run must not change another's.
thread_local int forced_isa = kNotForced;

Isa detect() {
#if defined(__x86_64__)
  // The built-in also checks that the operating system saves the wide registers.
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::kScalar;
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (!has_avx512) return Isa::kAvx2;
  return __builtin_cpu_supports("avx512bf16") ? Isa::kAvx512Bf16 : Isa::kAvx512;
#else
  return Isa::kScalar;
#endif
}

Isa parse(std::string_view name, const std::string& where) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Isa>(i);
  }
  throw std::invalid_argument(where + ": unknown instruction set '" + std::string(name) +
                              "'; choose scalar, avx2, avx512 or avx512_bf16");
}

}  // namespace

std::string_view isa_name(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

Isa best_isa() {
  static const Isa detected = detect();
  const char* wanted = std::getenv("SPARSESR_CPU");
  if (wanted == nullptr || *wanted == '\0') return detected;
  const Isa limit = parse(wanted, "SPARSESR_CPU");
  return limit < detected ? limit : detected;
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
  if (wanted > best_isa()) {
    throw std::invalid_argument("set_cpu: '" + std::string(name) + "' is not available here; the best is '" +
                                std::string(isa_name(best_isa())) + "'");
  }
  forced_isa = static_cast<int>(wanted);
  return before;
}

std::vector<std::string> available_isas() {
  const auto count = static_cast<size_t>(best_isa()) + 1;
  return {kNames.begin(), kNames.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace sparsesr
