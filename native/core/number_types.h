// Number types of feature maps and images.
#pragma once

#include <bit>
#include <cstdint>

namespace sparsesr {

// Value type of a feature map.
enum class MapType : int { kF32, kBf16, kU8 };

constexpr int kMapTypes = 3;

inline int64_t value_bytes(MapType type) {
  if (type == MapType::kU8) return 1;
  return type == MapType::kBf16 ? 2 : 4;
}

// Value type of an image.
enum class PixelType : int { kU8, kU16, kF32 };

inline int64_t value_bytes(PixelType type) {
  return type == PixelType::kU8 ? 1 : type == PixelType::kU16 ? 2 : 4;
}

// bfloat16: the upper half of an fp32 value.
struct Bf16 {
  uint16_t bits;
};

// A value of a quantised map.
struct U8 {
  uint8_t bits;
};

// What the values of a quantised map stand for: (bits - zero) * scale.
struct MapSteps {
  float scale = 1.0f;
  int32_t zero = 0;

  // A value times this, plus `offset`, is what narrow<U8> expects.
  float factor() const { return 1.0f / scale; }
  float offset() const { return static_cast<float>(zero) + 0.5f; }
};

// Internal linkage, like all code that kernels share: this header is compiled for several instruction sets.
static inline float widen(float value) { return value; }
static inline float widen(Bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

static inline float widen(U8 value) { return static_cast<float>(value.bits); }

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

// Of a value in steps of the map, plus a half to round it: saturates and drops the fraction; NaN becomes 0.
template <>
inline U8 narrow<U8>(float value) {
  const float above = value > 0.0f ? value : 0.0f;
  return {static_cast<uint8_t>(above < 255.0f ? static_cast<int32_t>(above) : 255)};
}

// The value in steps of a map; see MapSteps.
static inline U8 quantised(float value, float factor, float offset) { return narrow<U8>(value * factor + offset); }

}  // namespace sparsesr
