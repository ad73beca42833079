// Number types of feature maps and images.
#pragma once

#include <bit>
#include <cstdint>

namespace sparsesr {

// Value type of a feature map.
enum class MapType : int { kF32, kBf16 };

constexpr int kMapTypes = 2;

inline int64_t value_bytes(MapType type) { return type == MapType::kBf16 ? 2 : 4; }

// Value type of an image.
enum class PixelType : int { kU8, kU16, kF32 };

// bfloat16: the upper half of an fp32 value.
struct Bf16 {
  uint16_t bits;
};

// Internal linkage, like all code that kernels share: this header is compiled for several instruction sets.
static inline float widen(float value) { return value; }
static inline float widen(Bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

template <typename T>
static inline T narrow(float value);

template <>
inline float narrow<float>(float value) {
  return value;
}

// Rounds to nearest, ties to even; NaN stays NaN.
template <>
inline Bf16 narrow<Bf16>(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return {static_cast<uint16_t>((is_nan ? bits | 0x400000u : rounded) >> 16)};
}

}  // namespace sparsesr
