#include "core/detected_features.h"

#include <cerrno>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace sparsesr {
namespace {

constexpr std::pair<CpuFeature, const char*> kNames[] = {
    {CpuFeature::kAvx2, "avx2"},
    {CpuFeature::kFma, "fma"},
    {CpuFeature::kAvxVnni, "avx_vnni"},
    {CpuFeature::kAvx512F, "avx512f"},
    {CpuFeature::kAvx512Bw, "avx512bw"},
    {CpuFeature::kAvx512Dq, "avx512dq"},
    {CpuFeature::kAvx512Vl, "avx512vl"},
    {CpuFeature::kAvx512Vnni, "avx512_vnni"},
    {CpuFeature::kAvx512Bf16, "avx512_bf16"},
    {CpuFeature::kAvx512Vbmi, "avx512_vbmi"},
    {CpuFeature::kFastPermute, "fast_permute"},
    {CpuFeature::kAmxTile, "amx_tile"},
    {CpuFeature::kAmxBf16, "amx_bf16"},
    {CpuFeature::kAmxInt8, "amx_int8"},
};

#if defined(__x86_64__)
struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;  // zero if the processor does not support the leaf
};

Leaf leaf7(uint32_t number) {
  Leaf leaf;
  if (number > 0 && leaf7(0).eax < number) return leaf;
  __get_cpuid_count(7, number, &leaf.eax, &leaf.ebx, &leaf.ecx, &leaf.edx);
  return leaf;
}

bool has_bit(uint32_t value, int bit) { return (value >> bit & 1u) != 0; }

CpuFeatures when(bool is_there, CpuFeature feature) {
  return is_there ? CpuFeatures(feature) : CpuFeatures();
}

// The compiler built-in also checks that the operating system saves the wide registers.
CpuFeatures detect() {
  __builtin_cpu_init();
  CpuFeatures found = when(__builtin_cpu_supports("avx2"), CpuFeature::kAvx2) |
                      when(__builtin_cpu_supports("fma"), CpuFeature::kFma) |
                      when(__builtin_cpu_supports("avx512f"), CpuFeature::kAvx512F) |
                      when(__builtin_cpu_supports("avx512bw"), CpuFeature::kAvx512Bw) |
                      when(__builtin_cpu_supports("avx512dq"), CpuFeature::kAvx512Dq) |
                      when(__builtin_cpu_supports("avx512vl"), CpuFeature::kAvx512Vl) |
                      when(__builtin_cpu_supports("avx512bf16"), CpuFeature::kAvx512Bf16) |
                      when(__builtin_cpu_supports("avx512vbmi"), CpuFeature::kAvx512Vbmi);
  if (found.includes(CpuFeature::kAvx2)) {
    found = found | when(has_bit(leaf7(1).eax, 4), CpuFeature::kAvxVnni);
  }
  if (found.includes(CpuFeature::kAvx512F)) {
    found = found | when(has_bit(leaf7(0).ecx, 11), CpuFeature::kAvx512Vnni) |
            when(__builtin_cpu_is("amd"), CpuFeature::kFastPermute);  // Zen 4; native/bench/port_counts.cc measures it
  }
  return found;
}

CpuFeatures advertised_amx() {
  const uint32_t bits = leaf7(0).edx;
  return when(has_bit(bits, 24), CpuFeature::kAmxTile) | when(has_bit(bits, 22), CpuFeature::kAmxBf16) |
         when(has_bit(bits, 25), CpuFeature::kAmxInt8);
}

// True if the operating system saves tile data and tile configuration (bits 17 and 18 of XCR0).
bool saves_tiles() {
  Leaf leaf;
  __get_cpuid(1, &leaf.eax, &leaf.ebx, &leaf.ecx, &leaf.edx);
  if (!has_bit(leaf.ecx, 27)) return false;  // xgetbv is unavailable
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low >> 17 & 3u) == 3u;
}

// Hypervisors may advertise AMX without offering any tile palette.
bool has_palette() {
  Leaf leaf;
  return __get_cpuid_count(0x1d, 0, &leaf.eax, &leaf.ebx, &leaf.ecx, &leaf.edx) != 0 && leaf.eax >= 1;
}

// Requests the tile registers for this process; returns the reason for a refusal, or "" if granted.
std::string request_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0) return "";
  return std::string("the system refuses AMX to this process: ") + std::strerror(errno);
#else
  return "AMX is not asked for on this system";
#endif
}

std::string why_no_tiles(CpuFeatures advertised) {
  if (!advertised.includes(CpuFeature::kAmxTile)) return "the processor has no AMX";
  if (!saves_tiles()) return "the system does not save the registers of AMX";
  if (!has_palette()) return "the processor says it has AMX but offers no tiles";
  return request_tiles();
}

AmxState ask_for_amx() {
  const CpuFeatures advertised = advertised_amx();
  std::string refusal = why_no_tiles(advertised);
  return {refusal.empty() ? advertised : CpuFeatures(), std::move(refusal)};
}
#else
CpuFeatures detect() { return {}; }
AmxState ask_for_amx() { return {{}, "the processor has no AMX"}; }
#endif

}  // namespace

CpuFeatures detected_features() {
  static const CpuFeatures features = detect();
  return features;
}

const AmxState& amx_state() {
  static const AmxState state = ask_for_amx();
  return state;
}

std::vector<std::string> feature_names(CpuFeatures features) {
  std::vector<std::string> names;
  for (const auto& [feature, name] : kNames) {
    if (features.includes(feature)) names.emplace_back(name);
  }
  return names;
}

}  // namespace sparsesr
