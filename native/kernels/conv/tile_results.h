// Finishing and storing the sums of a pass of tiles. Local to each file that includes this.
#pragma once

#include "kernels/conv/tile_plan.h"
#include "kernels/conv/vectors_avx512.h"

namespace sparsesr {
namespace {

// Sums of two pixel tiles for one pass of outputs.
struct alignas(64) TileSums {
  float values[kGroupPixels][kPassOutputs];
};

inline void narrow_all(float* target, __m512 low, __m512 high) {
  _mm512_storeu_ps(target, low);
  _mm512_storeu_ps(target + kLanes, high);
}

// Rounds to nearest; denormals become zero, as in the tile products.
inline void narrow_all(Bf16* target, __m512 low, __m512 high) {
  _mm512_storeu_si512(target, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

inline void narrow_some(float* target, __mmask16 lanes, __m512 value) { store_lanes(target, lanes, value); }

inline void narrow_some(Bf16* target, __mmask16 lanes, __m512 value) {
  _mm256_mask_storeu_epi16(target, lanes, (__m256i)_mm512_cvtneps_pbh(value));
}

// True if all outputs of all passes exist and nothing is added or cleared.
inline bool is_plain(const ConvArgs& args, const ConvBlock& block) {
  const bool is_full = block.valid % kPassOutputs == 0 && block.valid == block.width;
  const bool clears = block.is_last && args.clear_end > block.first + block.width;
  return is_full && !clears && args.residual.data == nullptr && args.activation != Activation::kLeakyRelu;
}

// Writes the outputs of one pass.
template <typename Out>
struct PassResults {
  const ConvArgs* call;
  const ConvBlock* outputs;
  int64_t first;  // first output of the pass
  int64_t valid;  // outputs of the pass that exist
  bool is_last;   // last pass of the last block
  __m512 floor;   // lower bound of plain results: zero for ReLU, otherwise minus infinity
  Out* out;       // at pixel 0
  int64_t stride;

  __attribute__((always_inline)) PassResults(const ConvArgs& args, const ConvBlock& block, int64_t pass)
      : call(&args),
        outputs(&block),
        first(block.first + pass * kPassOutputs),
        valid(block.valid - pass * kPassOutputs),
        is_last(block.is_last && (pass + 1) * kPassOutputs >= block.width),
        floor(_mm512_set1_ps(args.activation == Activation::kRelu ? 0.0f : -__builtin_inff())),
        out(pixel_of<Out>(args.out, 0) + first),
        stride(args.out.stride) {}

  // Requires is_plain().
  __attribute__((always_inline)) void store_plain(const float* sums, int32_t pixel) const {
    const __m512 low = _mm512_max_ps(floor, _mm512_load_ps(sums));  // this operand order propagates NaN
    const __m512 high = _mm512_max_ps(floor, _mm512_load_ps(sums + kLanes));
    narrow_all(out + pixel * stride, low, high);
  }

  __attribute__((always_inline)) void store(const float* sums, int32_t pixel) const {
    const ConvArgs& args = *call;
    __m512 low = _mm512_load_ps(sums);
    __m512 high = _mm512_load_ps(sums + kLanes);
    Out* const target = out + pixel * stride;
    if (args.activation == Activation::kRelu) {
      low = relu(low);
      high = relu(high);
    } else if (args.activation == Activation::kLeakyRelu) {
      low = leaky_relu(low, load_slopes(args, first, lanes_below(valid)));
      high = leaky_relu(high, load_slopes(args, first + kLanes, lanes_below(valid - kLanes)));
    }
    if (args.residual.data != nullptr) {
      const Out* residual = pixel_of<const Out>(args.residual, pixel) + first;
      low = _mm512_add_ps(low, load_lanes(residual, lanes_below(valid)));
      high = _mm512_add_ps(high, load_lanes(residual + kLanes, lanes_below(valid - kLanes)));
    }
    if (valid >= kPassOutputs) {
      narrow_all(target, low, high);
    } else {
      store_some(target, low, high);
    }
    if (is_last && args.clear_end > first + kPassOutputs) {
      clear_channels(target - first, first + kPassOutputs, args.clear_end);
    }
  }

  // Stores the existing outputs, and zeros beyond them up to the block's end and `clear_end`.
  void store_some(Out* target, __m512 low, __m512 high) const {
    const int64_t padded = outputs->first + outputs->width;
    const int64_t block_end = padded < call->out.stride ? padded : call->out.stride;
    const int64_t end = is_last && call->clear_end > block_end ? call->clear_end : block_end;
    narrow_some(target, lanes_below(end - first), _mm512_maskz_mov_ps(lanes_below(valid), low));
    narrow_some(target + kLanes, lanes_below(end - first - kLanes),
                _mm512_maskz_mov_ps(lanes_below(valid - kLanes), high));
  }

  // Initialises the sums of one pixel: bias plus addend.
  void start(float* sums, int32_t pixel) const {
    const float* bias = outputs->bias + (first - outputs->first);
    const Out* addend = pixel_of<const Out>(call->addend, pixel) + first;
    for (int64_t c = 0; c < kPassOutputs && first + c < outputs->first + outputs->width; c += kLanes) {
      const __m512 added = load_lanes(addend + c, lanes_below(valid - c));
      _mm512_store_ps(sums + c, _mm512_add_ps(_mm512_load_ps(bias + c), added));
    }
  }
};

}  // namespace
}  // namespace sparsesr
