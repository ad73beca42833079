// Convolution of bf16 maps with AMX tiles: 32 pixels x 32 outputs in four accumulators.
//
// Per step of the sum (32 channels of one tap): two pixel tiles, two weight tiles, four tile products of 16 cycles
// each. Adjacent pixels are loaded straight from the map; others are copied into a ring, one step ahead. The results of
// a pass are written while the next pass is multiplied.
#include "kernels/conv/tile_copies.h"
#include "kernels/conv/tile_results.h"
#include "kernels/tiles.h"

namespace sparsesr {
namespace {

constexpr int64_t kSumsBytes = kPassOutputs * sizeof(float);
constexpr int kMaxSteps = kMaxTileSteps;

struct alignas(64) Scratch {
  Ring ring;
  TileSums sums;
  TileSums starts;
  Step steps[kMaxSteps];
  TilePlan plan;
};

// A call restricted to one block of outputs.
struct Work {
  const ConvArgs& args;
  const ConvBlock& block;
  Scratch& scratch;
  int step_count;
};

// Results of a pass that are still to be written, a few beside each step of the next pass.
//
// `kBesideStep` > 0: that many per step, for plain results (see is_plain); results that repeat the last one are also
// written. 0: no assumptions; the number is computed at run time.
template <typename Out, int kBesideStep>
struct Unfinished {
  PassResults<Out> results;
  const PixelGroup& group;
  const TileSums& sums;
  int beside_step;
  int written = 0;

  __attribute__((always_inline)) void write_some() {
    if constexpr (kBesideStep > 0) {
      if (written == kGroupPixels) return;
#pragma GCC unroll 32
      for (int i = 0; i < kBesideStep; ++i) write(written + i);
      written += kBesideStep;
    } else {
      const int end = written + beside_step < group.count ? written + beside_step : group.count;
      for (; written < end; ++written) write(written);
    }
  }

  __attribute__((always_inline)) void write_rest() {
    const int end = kBesideStep > 0 ? kGroupPixels : group.count;
    for (; written < end; ++written) write(written);
  }

  __attribute__((always_inline)) void write(int i) const {
    const float* values = sums.values[group.row[i]];
    if constexpr (kBesideStep > 0) {
      results.store_plain(values, group.out[i]);
    } else {
      results.store(values, group.out[i]);
    }
  }
};

template <int kTiles, int kOutTiles>
__attribute__((always_inline)) inline void load_starts(const float* start, int64_t stride) {
  const auto* bytes = reinterpret_cast<const char*>(start);
  load_tile<0>(bytes, stride);
  if constexpr (kOutTiles > 1) load_tile<1>(bytes + kRowBytes, stride);
  if constexpr (kTiles > 1) load_tile<2>(bytes + kTilePixels * stride, stride);
  if constexpr (kTiles > 1 && kOutTiles > 1) load_tile<3>(bytes + kTilePixels * stride + kRowBytes, stride);
}

template <int kTiles, int kOutTiles>
__attribute__((always_inline)) inline void store_sums(TileSums& sums) {
  store_tile<0>(sums.values[0], kSumsBytes);
  if constexpr (kOutTiles > 1) store_tile<1>(sums.values[0] + kTileOutputs, kSumsBytes);
  if constexpr (kTiles > 1) store_tile<2>(sums.values[kTilePixels], kSumsBytes);
  if constexpr (kTiles > 1 && kOutTiles > 1) {
    store_tile<3>(sums.values[kTilePixels] + kTileOutputs, kSumsBytes);
  }
}

template <int kTiles, int kOutTiles>
__attribute__((always_inline)) inline void multiply_add(const char* first, const char* second, int64_t stride,
                                                        const char* weights) {
  load_tile<6>(weights, kRowBytes);
  load_tile<4>(first, stride);
  multiply_bf16_tiles<0, 4, 6>();
  if constexpr (kTiles > 1) {
    load_tile<5>(second, stride);
    multiply_bf16_tiles<2, 5, 6>();
  }
  if constexpr (kOutTiles > 1) {
    load_tile<7>(weights + kTileBytes, kRowBytes);
    multiply_bf16_tiles<1, 4, 7>();
    if constexpr (kTiles > 1) multiply_bf16_tiles<3, 5, 7>();
  }
}

// One pass of outputs over a pixel group.
struct PassOf {
  const PixelGroup* group;
  int64_t pass;
};

template <typename Out, int kTiles, int kOutTiles>
__attribute__((always_inline)) inline void start_sums(const Work& work, const PassOf& now) {
  if (work.args.addend.data == nullptr) {
    const float* bias = work.block.bias + now.pass * kPassOutputs;
    load_tile<0>(bias, 0);
    if constexpr (kTiles > 1) load_tile<2>(bias, 0);
    if constexpr (kOutTiles > 1) load_tile<1>(bias + kTileOutputs, 0);
    if constexpr (kTiles > 1 && kOutTiles > 1) load_tile<3>(bias + kTileOutputs, 0);
    return;
  }
  const PassResults<Out> results(work.args, work.block, now.pass);
  TileSums& starts = work.scratch.starts;
  for (int i = 0; i < now.group->count; ++i) results.start(starts.values[now.group->row[i]], now.group->out[i]);
  load_starts<kTiles, kOutTiles>(starts.values[0], kSumsBytes);
}

// Computes one pass and writes the results of the previous one. For gathered pixels, `slot` of the ring holds those of
// the first step on entry, and on return those of `next`, if any.
template <typename Out, Source kSource, int kTiles, int kOutTiles, int kBesideStep>
__attribute__((noinline)) void run_pass(const Work& work, const PassOf& before, const PassOf& now, const PassOf& next,
                                        int& slot) {
  const Step* const steps = work.scratch.steps;
  const int step_count = work.step_count;
  const PixelGroup& group = *now.group;
  Ring& ring = work.scratch.ring;
  Unfinished<Out, kBesideStep> unfinished{PassResults<Out>(work.args, work.block, before.pass), *before.group,
                                          work.scratch.sums,
                                          (before.group->count + step_count - 1) / step_count};
  const char* weights = static_cast<const char*>(work.block.weights) +
                        now.pass * kPassTiles * work.block.layout_steps * kTileBytes;
  int filled = slot;
  start_sums<Out, kTiles, kOutTiles>(work, now);
  for (int s = 0; s < step_count; ++s, weights += kOutTiles * kTileBytes) {
    if constexpr (kSource != Source::kMap) {
      constexpr int kTogether = steps_together(kSource);
      const int part = s % kTogether;
      const char* const copies = ring.slots[filled] + part * kRowBytes;
      multiply_add<kTiles, kOutTiles>(copies, copies + kTilePixels * kTogether * kRowBytes, kTogether * kRowBytes,
                                      weights);
      const int next_step = s - part + kTogether;
      const PixelGroup* const following = next_step < step_count ? &group : next.group;
      if (following != nullptr) {
        copy_rows<kSource>(ring, filled ^ 1, *following, steps[next_step < step_count ? next_step : 0], part);
      }
      if (part == kTogether - 1) filled ^= 1;
    } else {
      const Step& step = steps[s];
      multiply_add<kTiles, kOutTiles>(step.data + group.base[0] * step.stride,
                                      step.data + group.base[kTiles - 1] * step.stride, step.stride, weights);
    }
    unfinished.write_some();
  }
  unfinished.write_rest();
  store_sums<kTiles, kOutTiles>(work.scratch.sums);
  slot = filled;
}

using RunPass = void(const Work&, const PassOf&, const PassOf&, const PassOf&, int&);

// Dispatches on the number of results to write beside a step.
template <typename Out, Source kSource>
RunPass* full_pass(int step_count, bool is_plain) {
  if (!is_plain) return run_pass<Out, kSource, 2, 2, 0>;
  if (step_count >= 16) return run_pass<Out, kSource, 2, 2, 2>;
  if (step_count >= 8) return run_pass<Out, kSource, 2, 2, 4>;
  return run_pass<Out, kSource, 2, 2, 8>;
}

// `is_first`: there are no earlier results to write.
template <typename Out, Source kSource>
RunPass* pass_for(const Work& work, const PassOf& now, bool is_first) {
  const bool has_two = work.block.width / kTileOutputs - now.pass * kPassTiles > 1;
  if (now.group->tiles == 1) return has_two ? run_pass<Out, kSource, 1, 2, 0> : run_pass<Out, kSource, 1, 1, 0>;
  if (!has_two) return run_pass<Out, kSource, 2, 1, 0>;
  return full_pass<Out, kSource>(work.step_count, !is_first && is_plain(work.args, work.block));
}

// Writes the results of the last pass.
template <typename Out>
void write_last(const Work& work, const PassOf& last) {
  const PassResults<Out> results(work.args, work.block, last.pass);
  Unfinished<Out, 0>{results, *last.group, work.scratch.sums, 0}.write_rest();
}

template <typename Out, Source kSource>
void run_groups(const Work& work, const PixelGroup* groups, int64_t count) {
  if (count == 0) return;
  const int64_t passes = (work.block.width + kPassOutputs - 1) / kPassOutputs;
  const PixelGroup no_results{};
  PassOf before{&no_results, 0};
  int slot = 0;
  if constexpr (kSource != Source::kMap) {
    for (int part = 0; part < steps_together(kSource); ++part) {
      copy_rows<kSource>(work.scratch.ring, slot, groups[0], work.scratch.steps[0], part);
    }
  }
  for (int64_t n = 0; n < count * passes; ++n) {
    const PassOf now{groups + n / passes, n % passes};
    const PassOf next{n + 1 < count * passes ? groups + (n + 1) / passes : nullptr, 0};
    pass_for<Out, kSource>(work, now, n == 0)(work, before, now, next, slot);
    before = now;
  }
  write_last<Out>(work, before);
}

struct StepList {
  int count;
  bool has_narrow;  // some steps have fewer channels than a tile holds
  bool is_paired;   // two steps of a tap are copied together
};

StepList list_steps(const ConvArgs& args, Step* steps) {
  StepList list{0, false, true};
  for (int i = 0; i < args.input_count; ++i) {
    const ConvInput& input = args.inputs[i];
    const auto stride = static_cast<int64_t>(input.stride * sizeof(Bf16));
    list.is_paired &= input.channels % (2 * kTileChannels) == 0;
    list.has_narrow |= input.channels % kTileChannels != 0;
    for (int tap = 0; tap < args.tap_count; ++tap) {
      const char* data = static_cast<const char*>(input.data) + (input.shift + args.tap_pixels[tap]) * stride;
      for (int64_t c = 0; c < input.channels; c += kTileChannels, data += kRowBytes) {
        steps[list.count++] = {data, stride, input.channels - c};
      }
    }
  }
  return list;
}

template <typename Out>
void convolve(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count) {
  Scratch& scratch = *reinterpret_cast<Scratch*>(args.scratch);
  const StepList list = list_steps(args, scratch.steps);
  scratch.ring.group = nullptr;
  plan_tiles({in_pixels, out_pixels, count}, list.has_narrow, scratch.plan);
  const Work work{args, block, scratch, list.count};
  const TilePlan& plan = scratch.plan;
  if (list.has_narrow) return run_groups<Out, Source::kNarrowCopies>(work, plan.gathered, plan.gathered_count);
  run_groups<Out, Source::kMap>(work, plan.direct, plan.direct_count);
  if (list.is_paired) return run_groups<Out, Source::kPairedCopies>(work, plan.gathered, plan.gathered_count);
  run_groups<Out, Source::kCopies>(work, plan.gathered, plan.gathered_count);
}

}  // namespace

static void bf16_f32_conv_32x32__amx_bf16(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                          const int32_t* out_pixels, int64_t count) {
  convolve<float>(args, block, in_pixels, out_pixels, count);
}

static void bf16_conv_32x32__amx_bf16(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels,
                                      const int32_t* out_pixels, int64_t count) {
  convolve<Bf16>(args, block, in_pixels, out_pixels, count);
}

constinit const ConvKernels bf16_conv__amx_bf16 = {
    .in = MapType::kBf16,
    .needs = kNeedsAmxBf16,
    .pack = pack_tiles,
    .suits = suits_tiles,
    .to = {{"bf16_f32_conv_32x32__amx_bf16", bf16_f32_conv_32x32__amx_bf16},
           {"bf16_conv_32x32__amx_bf16", bf16_conv_32x32__amx_bf16}},
    .group_pixels = 4 * kGroupPixels,
    .chunk_pixels = kMaxChunkPixels,
    .leaves_taps_out = false,
    .thread = {sizeof(Scratch), configure_tiles, release_tiles},
};

}  // namespace sparsesr
