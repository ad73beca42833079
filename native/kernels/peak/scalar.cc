#include "core/number_types.h"
#include "kernels/peak/peak.h"

namespace sparsesr {

// 32 independent multiply-adds per iteration, vectorised by the compiler for the baseline processor.
PeakRun f32_peak__scalar(int64_t iterations) {
  constexpr int kValues = 32;
  float acc[kValues];
  for (int i = 0; i < kValues; ++i) acc[i] = static_cast<float>(i);
  const float factor = 0.999f;
  const float term = 0.001f;
  for (int64_t n = 0; n < iterations; ++n) {
    for (int i = 0; i < kValues; ++i) acc[i] = acc[i] * factor + term;
  }
  float sum = 0.0f;
  for (int i = 0; i < kValues; ++i) sum += acc[i];
  return {2.0 * kValues * static_cast<double>(iterations), sum};
}

// The same with bf16 values, widened before multiplication.
PeakRun bf16_peak__scalar(int64_t iterations) {
  constexpr int kValues = 32;
  float acc[kValues];
  Bf16 terms[kValues];
  for (int i = 0; i < kValues; ++i) acc[i] = static_cast<float>(i);
  for (int i = 0; i < kValues; ++i) terms[i] = narrow<Bf16>(0.001f * static_cast<float>(i));
  for (int64_t n = 0; n < iterations; ++n) {
    for (int i = 0; i < kValues; ++i) acc[i] += widen(terms[i]) * widen(terms[i]);
  }
  float sum = 0.0f;
  for (int i = 0; i < kValues; ++i) sum += acc[i];
  return {2.0 * kValues * static_cast<double>(iterations), sum};
}

// The same with products of int8, added as whole numbers.
PeakRun u8_peak__scalar(int64_t iterations) {
  constexpr int kValues = 32;
  uint32_t acc[kValues] = {};
  uint8_t terms[kValues];
  for (int i = 0; i < kValues; ++i) terms[i] = static_cast<uint8_t>(i);
  for (int64_t n = 0; n < iterations; ++n) {
    for (int i = 0; i < kValues; ++i) acc[i] += terms[i] * terms[kValues - 1 - i] + static_cast<uint32_t>(n & 1);
  }
  uint32_t sum = 0;
  for (int i = 0; i < kValues; ++i) sum += acc[i];
  return {2.0 * kValues * static_cast<double>(iterations), static_cast<float>(sum)};
}

}  // namespace sparsesr
