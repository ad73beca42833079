// Convolution with AMX tiles: 32 pixels x 32 outputs in four accumulators. Local to each file that includes this.
//
// Per step of the sum (64 bytes of channels): two pixel tiles, two weight tiles, four tile products of 16 cycles each.
// Adjacent pixels are loaded straight from the map; others are copied into a ring, some steps ahead. The results of a
// pass are written while the next pass is multiplied.
//
// A Product defines a step, what its sums are, and how far ahead copies are made.
#pragma once

#include "kernels/conv/tile_copies.h"
#include "kernels/conv/tile_results.h"
#include "kernels/conv/tile_steps.h"
#include "kernels/tiles.h"

namespace sparsesr {
namespace {

template <typename Product>
struct alignas(64) Scratch {
  typename Product::CopyRing ring;
  TileSums<typename Product::Sum> sums;
  TileSums<typename Product::Sum> starts;
  Step steps[kMaxTileSteps];
  TilePlan plan;
};

// A call restricted to one block of outputs.
template <typename Product>
struct Work {
  const ConvArgs& args;
  const ConvBlock& block;
  Scratch<Product>& scratch;
  int step_count;

  int64_t passes() const { return (block.width + kPassOutputs - 1) / kPassOutputs; }
};

// One pass of outputs over a pixel group.
struct PassOf {
  const PixelGroup* group;
  int64_t pass;
};

// Pixels to copy beside the products of a pass: for its own later steps, and for the first steps of the next pass; null if
// there is nothing to copy.
struct Copied {
  const PixelGroup* own;
  const PixelGroup* next;
};

// Results of a pass that are still to be written, a few beside each step of the next pass.
//
// `kBesideStep` > 0: that many per step, for plain results (see is_plain) of kOutTiles tiles; results that repeat the
// last one are also written. 0: no assumptions; the number is computed at run time.
template <typename Product, typename Out, int kOutTiles, int kBesideStep>
struct Unfinished {
  using Sum = typename Product::Sum;

  PassResults<Out, Product::kAddsLast> results;
  typename Product::template Values<Out> values;
  const PixelGroup& group;
  const TileSums<Sum>& sums;
  int beside_step;
  int written = 0;

  __attribute__((always_inline)) Unfinished(const Work<Product>& work, const PassOf& done)
      : results(work.args, work.block, done.pass),
        values(work.args, work.block, done.pass),
        group(*done.group),
        sums(work.scratch.sums),
        beside_step((done.group->count + work.step_count - 1) / work.step_count) {}

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
    const Sum* const of_pixel = sums.values[group.row[i]];
    if constexpr (kBesideStep > 0 && kOutTiles == 1) {
      results.store_plain(values.value(of_pixel, 0), group.out[i]);
    } else if constexpr (kBesideStep > 0) {
      results.store_plain(values.value(of_pixel, 0), values.value(of_pixel, 1), group.out[i]);
    } else {
      results.store(values.value(of_pixel, 0), values.value(of_pixel, 1), group.out[i]);
    }
  }
};

// Sums start with the same numbers at all pixels.
template <int kTiles, int kOutTiles, typename Sum>
__attribute__((always_inline)) inline void repeat_starts(const Sum* starts) {
  load_tile<0>(starts, 0);
  if constexpr (kTiles > 1) load_tile<2>(starts, 0);
  if constexpr (kOutTiles > 1) load_tile<1>(starts + kTileOutputs, 0);
  if constexpr (kTiles > 1 && kOutTiles > 1) load_tile<3>(starts + kTileOutputs, 0);
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
      for (int i = 0; i < now.group->count; ++i) results.start(starts.values[now.group->row[i]], now.group->out[i]);
      return load_starts<kTiles, kOutTiles>(starts);
    }
  }
  repeat_starts<kTiles, kOutTiles>(Product::starts(work.block) + now.pass * kPassOutputs);
}

// Computes one pass and writes the results of the previous one. For gathered pixels, the ring holds the first steps on
// entry, and on return those of the next pass, if any.
template <typename Product, typename Out, Source kSource, int kTiles, int kOutTiles, int kBesideStep>
__attribute__((noinline)) void run_pass(const Work<Product>& work, const PassOf& before, const PassOf& now,
                                        const Copied& copied) {
  constexpr int kTogether = steps_together(kSource);
  const Step* const steps = work.scratch.steps;
  const int step_count = work.step_count;
  const PixelGroup& group = *now.group;
  auto& ring = work.scratch.ring;
  Unfinished<Product, Out, kOutTiles, kBesideStep> unfinished(work, before);
  const char* weights = static_cast<const char*>(work.block.weights) +
                        now.pass * kPassTiles * work.block.layout_steps * kTileBytes;
  start_sums<Product, Out, kTiles, kOutTiles>(work, now);
  for (int s = 0; s < step_count; s += kTogether) {
    if constexpr (kSource == Source::kMap) {
      const Step& step = steps[s];
      multiply_add<Product, kTiles, kOutTiles>(step.data + group.base[0] * step.stride,
                                               step.data + group.base[kTiles - 1] * step.stride, step.stride, weights);
      weights += kOutTiles * kTileBytes;
      unfinished.write_some();
    } else {
      const int later = s + ring.ahead * kTogether;
      const PixelGroup* const source = later < step_count ? copied.own : copied.next;
      const Step& step = steps[later < step_count ? later : later - step_count];
      const char* copies = ring.slot(0);
      char* const to = ring.slot(ring.ahead);
#pragma GCC unroll 2
      for (int part = 0; part < kTogether; ++part, copies += kRowBytes, weights += kOutTiles * kTileBytes) {
        multiply_add<Product, kTiles, kOutTiles>(copies, copies + kTilePixels * kTogether * kRowBytes,
                                                 kTogether * kRowBytes, weights);
        if (source != nullptr) copy_rows<kSource>(ring, to, *source, step, part);
        unfinished.write_some();
      }
      ring.advance();
    }
  }
  unfinished.write_rest();
  store_sums<kTiles, kOutTiles>(work.scratch.sums);
}

template <typename Product>
using RunPass = void(const Work<Product>&, const PassOf&, const PassOf&, const Copied&);

// Dispatches on the number of results to write beside a step.
template <typename Product, typename Out, Source kSource, int kOutTiles>
RunPass<Product>* full_pass(int step_count, bool is_plain) {
  if (!is_plain) return run_pass<Product, Out, kSource, 2, kOutTiles, 0>;
  if (step_count >= 16) return run_pass<Product, Out, kSource, 2, kOutTiles, 2>;
  if (step_count >= 8) return run_pass<Product, Out, kSource, 2, kOutTiles, 4>;
  return run_pass<Product, Out, kSource, 2, kOutTiles, 8>;
}

// `is_first`: there are no earlier results to write.
template <typename Product, typename Out, Source kSource>
RunPass<Product>* pass_for(const Work<Product>& work, const PassOf& now, bool is_first) {
  const bool has_two = work.block.width / kTileOutputs - now.pass * kPassTiles > 1;
  if (now.group->tiles == 1) {
    return has_two ? run_pass<Product, Out, kSource, 1, 2, 0> : run_pass<Product, Out, kSource, 1, 1, 0>;
  }
  const bool plain = !is_first && is_plain(work.args, work.block, Product::kAddsLast);
  if (!has_two) return full_pass<Product, Out, kSource, 1>(work.step_count, plain);
  return full_pass<Product, Out, kSource, 2>(work.step_count, plain);
}

// Prepares the ring and copies the first steps of the first group. Returns true if copies are kept for all passes.
template <Source kSource, typename Product>
bool fill_ring(const Work<Product>& work, const PixelGroup& first) {
  constexpr int kTogether = steps_together(kSource);
  auto& ring = work.scratch.ring;
  const int slots = work.step_count / kTogether;
  // Copies of several steps must not replace the ones being multiplied.
  const bool keeps = slots <= Product::kSlots && (kTogether == 1 || slots > Product::kAhead);
  ring.group = nullptr;
  ring.first = 0;
  ring.size = keeps ? slots : Product::kSlots;
  ring.ahead = Product::kAhead < slots ? Product::kAhead : slots;
  for (int n = 0; n < ring.ahead; ++n) {
    for (int part = 0; part < kTogether; ++part) {
      copy_rows<kSource>(ring, ring.slots[n], first, work.scratch.steps[n * kTogether], part);
    }
  }
  return keeps;
}

template <typename Product, typename Out, Source kSource>
void run_groups(const Work<Product>& work, const PixelGroup* groups, int64_t count) {
  if (count == 0) return;
  const int64_t passes = work.passes();
  const PixelGroup no_results{};
  PassOf before{&no_results, 0};
  bool keeps = false;
  if constexpr (kSource != Source::kMap) keeps = fill_ring<kSource>(work, groups[0]);
  for (int64_t n = 0; n < count * passes; ++n) {
    const PassOf now{groups + n / passes, n % passes};
    const PixelGroup* const following = n + 1 < count * passes ? groups + (n + 1) / passes : nullptr;
    const Copied copied{keeps && now.pass > 0 ? nullptr : now.group,
                        keeps && now.pass + 1 < passes ? nullptr : following};
    pass_for<Product, Out, kSource>(work, now, n == 0)(work, before, now, copied);
    before = now;
  }
  Unfinished<Product, Out, kPassTiles, 0>(work, before).write_rest();
}

template <typename Product, typename Out>
void convolve(const ConvArgs& args, const ConvBlock& block, const int32_t* in_pixels, const int32_t* out_pixels,
              int64_t count) {
  Scratch<Product>& scratch = *reinterpret_cast<Scratch<Product>*>(args.scratch);
  const StepList list = Product::list_steps(args, scratch.steps);
  TilePlan& plan = scratch.plan;
  plan_tiles({in_pixels, out_pixels, count, list.slack}, list.gathers_all, plan);
  const Work<Product> work{args, block, scratch, list.count};
  run_groups<Product, Out, Source::kMap>(work, plan.direct, plan.direct_count);
  if constexpr (Product::kJoinsTaps) {
    if (list.is_apart) return run_groups<Product, Out, Source::kApartCopies>(work, plan.gathered, plan.gathered_count);
  } else {
    if (list.is_paired) return run_groups<Product, Out, Source::kPairedCopies>(work, plan.gathered, plan.gathered_count);
  }
  run_groups<Product, Out, Source::kCopies>(work, plan.gathered, plan.gathered_count);
}

}  // namespace
}  // namespace sparsesr
