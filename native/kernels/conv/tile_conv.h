// Convolution with AMX tiles: 32 pixels x 32 outputs in four accumulators. Local to each file that includes this.
//
// Per step of the sum (64 bytes of channels): two pixel tiles, two weight tiles, four tile products of 16 cycles each.
// Adjacent pixels are loaded straight from the map; others are copied into a ring, some steps ahead. The results of a
// pass are written while the next pass is multiplied.
//
// A Product defines a step, what its sums are, and how they become values.
#pragma once

#include "kernels/conv/tile_steps.h"
#include "kernels/conv/tile_work.h"
#include "kernels/tiles.h"

namespace sparsesr {
namespace {

// Sums start with the same numbers at all pixels.
template <int kTiles, int kOutTiles, typename Sum>
__attribute__((always_inline)) inline void repeat_starts(const Sum* starts) {
  load_tile<0>(starts, 0);
  if constexpr (kTiles > 1) load_tile<2>(starts, 0);
  if constexpr (kOutTiles > 1) load_tile<1>(starts + kTileOutputs, 0);
  if constexpr (kTiles > 1 && kOutTiles > 1) load_tile<3>(starts + kTileOutputs, 0);
}

// Takes less time than loading zeros.
template <int kTiles, int kOutTiles>
__attribute__((always_inline)) inline void clear_sums() {
  clear_tile<0>();
  if constexpr (kTiles > 1) clear_tile<2>();
  if constexpr (kOutTiles > 1) clear_tile<1>();
  if constexpr (kTiles > 1 && kOutTiles > 1) clear_tile<3>();
}

template <int kTiles, int kOutTiles, typename Sum>
__attribute__((always_inline)) inline void load_starts(const TileSums<Sum>& starts) {
  constexpr int64_t kStride = sizeof(starts.values[0]);
  load_tile<0>(starts.values[0], kStride);
  if constexpr (kOutTiles > 1) load_tile<1>(starts.values[0] + kTileOutputs, kStride);
  if constexpr (kTiles > 1) load_tile<2>(starts.values[kTilePixels], kStride);
  if constexpr (kTiles > 1 && kOutTiles > 1) load_tile<3>(starts.values[kTilePixels] + kTileOutputs, kStride);
}

template <int kTiles, int kOutTiles, typename Sum>
__attribute__((always_inline)) inline void store_sums(TileSums<Sum>& sums) {
  constexpr int64_t kStride = sizeof(sums.values[0]);
  store_tile<0>(sums.values[0], kStride);
  if constexpr (kOutTiles > 1) store_tile<1>(sums.values[0] + kTileOutputs, kStride);
  if constexpr (kTiles > 1) store_tile<2>(sums.values[kTilePixels], kStride);
  if constexpr (kTiles > 1 && kOutTiles > 1) store_tile<3>(sums.values[kTilePixels] + kTileOutputs, kStride);
}

template <typename Product, int kTiles, int kOutTiles>
__attribute__((always_inline)) inline void multiply_add(const char* first, const char* second, int64_t stride,
                                                        const char* weights) {
  load_tile<6>(weights, kRowBytes);
  load_tile<4>(first, stride);
  Product::template multiply<0, 4, 6>();
  if constexpr (kTiles > 1) {
    load_tile<5>(second, stride);
    Product::template multiply<2, 5, 6>();
  }
  if constexpr (kOutTiles > 1) {
    load_tile<7>(weights + kTileBytes, kRowBytes);
    Product::template multiply<1, 4, 7>();
    if constexpr (kTiles > 1) Product::template multiply<3, 5, 7>();
  }
}

template <typename Product, typename Out, int kTiles, int kOutTiles>
__attribute__((always_inline)) inline void start_sums(const Work<Product>& work, const PassOf& now) {
  if constexpr (!Product::kAddsLast) {
    if (work.args.addend.data != nullptr) {
      const PassResults<Out, false> results(work.args, work.block, now.pass);
      auto& starts = work.scratch.starts;
      for (int row = 0; row < kTiles * kTilePixels; ++row) {
        if (now.group->out[row] != kNoPixel) results.start(starts.values[row], now.group->out[row]);
      }
      return load_starts<kTiles, kOutTiles>(starts);
    }
  }
  if constexpr (Product::kAddsLast) {
    if (work.scratch.numbers.starts_are_zero) return clear_sums<kTiles, kOutTiles>();
  }
  repeat_starts<kTiles, kOutTiles>(Product::starts(work.block) + now.pass * kPassOutputs);
}

// Computes one pass and writes the results of the previous one. For gathered pixels, the ring holds the first steps on
// entry, and on return those of the pass that follows, whose group is `next`; null: none follows.
template <typename Product, typename Out, Source kSource, int kTiles, int kOutTiles, int kBesideStep>
__attribute__((noinline)) void run_pass(const Work<Product>& work, const PassOf& before, const PassOf& now,
                                        const PixelGroup* next) {
  constexpr int kTogether = steps_together(kSource);
  const Step* const steps = work.scratch.steps;
  const int step_count = work.step_count;
  const Unfinished<Product, Out, kOutTiles, kBesideStep> unfinished(work, before);
  const char* weights = static_cast<const char*>(work.block.weights) +
                        now.pass * kPassTiles * work.block.layout_steps * kTileBytes;
  int written = 0;
  start_sums<Product, Out, kTiles, kOutTiles>(work, now);
  if constexpr (kSource == Source::kMap) {
    const int64_t base = now.group->base[0];
    const int64_t second = now.group->base[kTiles - 1];
    for (int s = 0; s < step_count; ++s, weights += kOutTiles * kTileBytes) {
      const Step& step = steps[s];
      multiply_add<Product, kTiles, kOutTiles>(step.data + base * step.stride, step.data + second * step.stride,
                                               step.stride, weights);
      written = unfinished.write_some(written);
    }
  } else {
    Ring& ring = work.scratch.ring;
    const int ahead = ring.ahead;
    int slot = ring.first;
    for (int s = 0; s < step_count; s += kTogether) {
      const char* copies = ring.slots[slot];
      char* const to = ring.slots[ring.after(slot, ahead)];
      const int later = s + ahead * kTogether;
      const PixelGroup* const source = later < step_count ? now.group : next;
      const Step& step = steps[later < step_count ? later : later - step_count];
#pragma GCC unroll 2
      for (int part = 0; part < kTogether; ++part, copies += kRowBytes, weights += kOutTiles * kTileBytes) {
        multiply_add<Product, kTiles, kOutTiles>(copies, copies + kTilePixels * kTogether * kRowBytes,
                                                 kTogether * kRowBytes, weights);
        if (source != nullptr) copy_rows<kTogether>(ring, to, *source, step, part);
        written = unfinished.write_some(written);
      }
      slot = ring.after(slot, 1);
    }
    ring.first = slot;
  }
  unfinished.write_rest(written);
  store_sums<kTiles, kOutTiles>(work.scratch.sums);
}

template <typename Product>
using RunPass = void(const Work<Product>&, const PassOf&, const PassOf&, const PixelGroup*);

// Dispatches on the number of results to write beside a step.
template <typename Product, typename Out, Source kSource, int kTiles, int kOutTiles>
RunPass<Product>* pass_of(const Work<Product>& work) {
  if (!work.is_plain) return run_pass<Product, Out, kSource, kTiles, kOutTiles, 0>;
  if (work.step_count >= 16) return run_pass<Product, Out, kSource, kTiles, kOutTiles, 2>;
  if (work.step_count >= 8) return run_pass<Product, Out, kSource, kTiles, kOutTiles, 4>;
  return run_pass<Product, Out, kSource, kTiles, kOutTiles, 8>;
}

template <typename Product, typename Out, Source kSource>
RunPass<Product>* pass_for(const Work<Product>& work, const PassOf& now) {
  const bool has_two = work.block.width / kTileOutputs - now.pass * kPassTiles > 1;
  if (now.group->tiles == 1) {
    return has_two ? pass_of<Product, Out, kSource, 1, 2>(work) : pass_of<Product, Out, kSource, 1, 1>(work);
  }
  return has_two ? pass_of<Product, Out, kSource, 2, 2>(work) : pass_of<Product, Out, kSource, 2, 1>(work);
}

// Copies the first steps of the first group.
template <Source kSource, typename Product>
void fill_ring(const Work<Product>& work, const PixelGroup& first) {
  constexpr int kTogether = steps_together(kSource);
  Ring& ring = work.scratch.ring;
  const int slots = work.step_count / kTogether;
  ring.group = nullptr;
  ring.first = 0;
  ring.ahead = kMostAhead < slots ? kMostAhead : slots;
  for (int n = 0; n < ring.ahead; ++n) {
    for (int part = 0; part < kTogether; ++part) {
      copy_rows<kTogether>(ring, ring.slots[n], first, work.scratch.steps[n * kTogether], part);
    }
  }
}

// `before`: the pass whose results are still to be written, and on return the last one of these groups.
template <typename Product, typename Out, Source kSource>
void run_groups(const Work<Product>& work, const PixelGroup* groups, int64_t count, PassOf& before) {
  if (count == 0) return;
  const int64_t passes = work.passes();
  Targets* const targets = work.scratch.targets;
  if constexpr (kSource != Source::kMap) fill_ring<kSource>(work, groups[0]);
  for (int64_t g = 0; g < count; ++g) {
    Targets& own = before.targets == targets ? targets[1] : targets[0];
    find_targets<Out>(work, groups[g], own);
    for (int64_t pass = 0; pass < passes; ++pass) {
      const PassOf now{groups + g, &own, pass};
      const int64_t following = pass + 1 < passes ? g : g + 1;
      const PixelGroup* const next = following < count ? groups + following : nullptr;
      pass_for<Product, Out, kSource>(work, now)(work, before, now, next);
      before = now;
    }
  }
}

template <typename Product, typename Out>
void run_plan(const Work<Product>& work, const TilePlan& plan, bool is_paired) {
  PixelGroup no_results;
  clear_rows(no_results, 0, kGroupPixels);
  find_targets<Out>(work, no_results, work.scratch.targets[0]);
  PassOf last{&no_results, work.scratch.targets, 0};
  run_groups<Product, Out, Source::kMap>(work, plan.direct, plan.direct_count, last);
  if (Product::kPairsSteps && is_paired) {
    run_groups<Product, Out, Source::kPairedCopies>(work, plan.gathered, plan.gathered_count, last);
  } else {
    run_groups<Product, Out, Source::kCopies>(work, plan.gathered, plan.gathered_count, last);
  }
  write_last<Product, Out>(work, last);
}

template <typename Product, typename Out>
void convolve(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count) {
  Scratch<Product>& scratch = *reinterpret_cast<Scratch<Product>*>(args.scratch);
  const StepList list = Product::list_steps(args, scratch.steps);
  plan_tiles({in_pixels, out_pixels, count, list.slack}, list.gathers_all, scratch.plan);
  scratch.numbers.template prepare<Out>(args, block);
  const bool plain = is_plain<Out>(args, block, Product::kAddsLast) && scratch.numbers.template fit<Out>();
  run_plan<Product, Out>({args, block, scratch, list.count, plain}, scratch.plan, list.is_paired);
  if (args.copy.data != nullptr && !plain) copy_block<Out>(args, block, out_pixels, count);
}

}  // namespace
}  // namespace sparsesr
