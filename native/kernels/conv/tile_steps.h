// The steps of a tiled sum. Local to each file that includes this.
#pragma once

#include "kernels/conv/tile_copies.h"

namespace sparsesr {
namespace {

struct StepList {
  int count = 0;
  int32_t slack = 0;         // pixels that tiles read beyond their own and their taps
  bool gathers_all = false;  // tiles cannot be loaded from the map
  bool is_paired = true;     // bf16: two steps of a tap are copied together
};

inline const char* tap_data(const ConvArgs& args, const ConvInput& input, int tap, int64_t stride) {
  return static_cast<const char*>(input.data) + (input.shift + args.tap_pixels[tap]) * stride;
}

// Steps of one tap after the other. Values beyond the channels may be anything, also NaN, and are not multiplied.
inline StepList list_bf16_steps(const ConvArgs& args, Step* steps) {
  StepList list;
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const auto stride = static_cast<int64_t>(input.stride * sizeof(Bf16));
    const auto bytes = static_cast<int64_t>(input.channels * sizeof(Bf16));
    list.is_paired &= bytes % (2 * kRowBytes) == 0;
    list.gathers_all |= bytes % kRowBytes != 0;
    for (int tap = 0; tap < args.tap_count; ++tap) {
      const char* const data = tap_data(args, input, tap, stride);
      for (int64_t at = 0; at < bytes; at += kRowBytes) {
        steps[list.count++] = {data + at, stride, bytes - at, false, 0, {}, 0};
      }
    }
  }
  return list;
}

inline int32_t larger(int32_t a, int64_t b) { return a > b ? a : static_cast<int32_t>(b); }

// Adds the steps of one tap after the other; values beyond the channels are multiplied by zero weights.
inline void add_taps(const ConvArgs& args, const ConvInput& input, Step* steps, StepList& list) {
  for (int tap = 0; tap < args.tap_count; ++tap) {
    const char* const data = tap_data(args, input, tap, input.stride);
    for (int64_t at = 0; at < input.channels; at += kRowBytes) {
      steps[list.count++] = {data + at, input.stride, input.channels - at, false, 0, {}, 0};
      list.slack = larger(list.slack, (at + kRowBytes - 1) / input.stride);
    }
  }
}

// Adds the steps of joined taps.
inline void add_joined_taps(const ConvArgs& args, const ConvInput& input, Step* steps, StepList& list) {
  const JoinedTaps joined = JoinedTaps::of(input.channels);
  const bool is_apart = input.stride != joined.pixel;
  list.gathers_all |= is_apart;
  for (int tap = 0; tap < args.tap_count; tap += JoinedTaps::kTaps) {
    const char* const data = tap_data(args, input, tap, input.stride);
    for (int64_t s = 0; s < joined.steps(); ++s) {
      const int64_t first = joined.first_of(s);
      steps[list.count++] = {is_apart ? data : data + first, input.stride, joined.values() - first,
                             is_apart, input.channels, joined, first};
      list.slack = larger(list.slack, (first + kRowBytes - 1) / joined.pixel - (JoinedTaps::kTaps - 1));
    }
  }
}

inline StepList list_int8_steps(const ConvArgs& args, Step* steps) {
  StepList list;
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const bool joins = JoinedTaps::suit(input.channels, args.tap_count);
    (joins ? add_joined_taps : add_taps)(args, input, steps, list);
  }
  return list;
}

}  // namespace
}  // namespace sparsesr
