// Processor features, as flags.
#pragma once

#include <cstdint>

namespace sparsesr {

// Features are independent: some processors have AVX-VNNI without AVX-512, AVX512-VNNI without bf16, or AVX-512 without
// AMX.
enum class CpuFeature : uint32_t {
  kAvx2 = 1u << 0,
  kFma = 1u << 1,
  kAvxVnni = 1u << 2,
  kAvx512F = 1u << 3,
  kAvx512Bw = 1u << 4,
  kAvx512Dq = 1u << 5,
  kAvx512Vl = 1u << 6,
  kAvx512Vnni = 1u << 7,
  kAvx512Bf16 = 1u << 8,
  kAmxTile = 1u << 9,
  kAmxBf16 = 1u << 10,
  kAmxInt8 = 1u << 11,
  kAvx512Vbmi = 1u << 12,
  // AVX-512 permutations have two ports, of which multiply-adds use only one; otherwise they share a single one.
  kFastPermute = 1u << 13,
};

class CpuFeatures {
 public:
  constexpr CpuFeatures() = default;
  constexpr CpuFeatures(CpuFeature feature)  // NOLINT(google-explicit-constructor)
      : bits_(static_cast<uint32_t>(feature)) {}

  constexpr bool includes(CpuFeatures others) const { return (bits_ & others.bits_) == others.bits_; }
  constexpr bool is_empty() const { return bits_ == 0; }

  friend constexpr CpuFeatures operator|(CpuFeatures a, CpuFeatures b) { return from(a.bits_ | b.bits_); }
  friend constexpr CpuFeatures operator&(CpuFeatures a, CpuFeatures b) { return from(a.bits_ & b.bits_); }

 private:
  static constexpr CpuFeatures from(uint32_t bits) {
    CpuFeatures features;
    features.bits_ = bits;
    return features;
  }

  uint32_t bits_ = 0;
};

constexpr CpuFeatures operator|(CpuFeature a, CpuFeature b) { return CpuFeatures(a) | CpuFeatures(b); }

// Features that all kernels of one file require.
constexpr CpuFeatures kNoFeatures{};
constexpr CpuFeatures kNeedsAvx2 = CpuFeature::kAvx2 | CpuFeature::kFma;
constexpr CpuFeatures kNeedsAvx2Vnni = kNeedsAvx2 | CpuFeature::kAvxVnni;
constexpr CpuFeatures kNeedsAvx512 = kNeedsAvx2 | CpuFeature::kAvx512F | CpuFeature::kAvx512Bw |
                                     CpuFeature::kAvx512Dq | CpuFeature::kAvx512Vl;
constexpr CpuFeatures kNeedsAvx512Vnni = kNeedsAvx512 | CpuFeature::kAvx512Vnni;
constexpr CpuFeatures kNeedsAvx512Bf16 = kNeedsAvx512 | CpuFeature::kAvx512Bf16;
constexpr CpuFeatures kNeedsAmx = CpuFeature::kAmxTile | CpuFeature::kAmxBf16 | CpuFeature::kAmxInt8;
constexpr CpuFeatures kNeedsAmxBf16 = kNeedsAvx512Bf16 | CpuFeature::kAmxTile | CpuFeature::kAmxBf16;
constexpr CpuFeatures kNeedsAmxInt8 = kNeedsAvx512Bf16 | CpuFeature::kAmxTile | CpuFeature::kAmxInt8;

}  // namespace sparsesr
