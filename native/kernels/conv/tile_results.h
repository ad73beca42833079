// Finishing and storing the sums of a pass of tiles. Local to each file that includes this.
#pragma once

#include <type_traits>

#include "kernels/conv/cleared.h"
#include "kernels/conv/tile_plan.h"
#include "kernels/conv/vectors_avx512.h"

namespace sparsesr {
namespace {

// Sums of two pixel tiles for one pass of outputs.
template <typename Sum>
struct alignas(64) TileSums {
  Sum values[kGroupPixels][kPassOutputs];
};

// What turns the sums of bf16 products into values: nothing.
struct FloatNumbers {
  template <typename Out>
  static void prepare(const ConvArgs&, const ConvBlock&) {}
  template <typename Out>
  static bool fit() {
    return true;
  }
};

struct FloatSums {
  FloatSums(const FloatNumbers&, int64_t) {}

  static __attribute__((always_inline)) __m512 low(const float* sums) { return _mm512_load_ps(sums); }
  static __attribute__((always_inline)) __m512 high(const float* sums) { return _mm512_load_ps(sums + kLanes); }
};

// What turns whole sums into values: scales and biases of a block, both in steps of a quantised `Out`.
struct alignas(64) WholeNumbers {
  float scales[kMaxBlockOutputs];
  float biases[kMaxBlockOutputs];
  bool starts_are_zero;

  template <typename Out>
  void prepare(const ConvArgs& args, const ConvBlock& block) {
    const __m512 factor = _mm512_set1_ps(std::is_same_v<Out, U8> ? args.out_factor : 1.0f);
    starts_are_zero = true;
    for (int64_t o = 0; o < kMaxBlockOutputs; o += kLanes) {
      const __mmask16 lanes = lanes_below(block.width - o);
      _mm512_store_ps(scales + o, _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, block.scales + o), factor));
      _mm512_store_ps(biases + o, _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, block.bias + o), factor));
      const __m512i starts = _mm512_maskz_loadu_epi32(lanes, block.starts + o);
      starts_are_zero &= _mm512_test_epi32_mask(starts, starts) == 0;
    }
  }

  // True if values of type U8 fit in 32 bits before they are narrowed, whatever the sums.
  template <typename Out>
  bool fit() const {
    __mmask16 fit = 0xffff;
    for (int64_t o = 0; o < kMaxBlockOutputs && std::is_same_v<Out, U8>; o += kLanes) {
      const __m512 scale = _mm512_abs_ps(_mm512_load_ps(scales + o));
      const __m512 bias = _mm512_abs_ps(_mm512_load_ps(biases + o));
      fit = _mm512_mask_cmp_ps_mask(fit, scale, _mm512_set1_ps(0.25f), _CMP_LE_OQ);  // false for NaN
      fit = _mm512_mask_cmp_ps_mask(fit, bias, _mm512_set1_ps(1e9f), _CMP_LE_OQ);
    }
    return fit == 0xffff;
  }
};

struct WholeSums {
  __m512 low_scale;
  __m512 high_scale;
  __m512 low_bias;
  __m512 high_bias;

  __attribute__((always_inline)) WholeSums(const WholeNumbers& numbers, int64_t pass)
      : low_scale(_mm512_load_ps(numbers.scales + pass * kPassOutputs)),
        high_scale(_mm512_load_ps(numbers.scales + pass * kPassOutputs + kLanes)),
        low_bias(_mm512_load_ps(numbers.biases + pass * kPassOutputs)),
        high_bias(_mm512_load_ps(numbers.biases + pass * kPassOutputs + kLanes)) {}

  __attribute__((always_inline)) __m512 low(const int32_t* sums) const {
    return value(_mm512_load_si512(sums), low_scale, low_bias);
  }
  __attribute__((always_inline)) __m512 high(const int32_t* sums) const {
    return value(_mm512_load_si512(sums + kLanes), high_scale, high_bias);
  }

  static __attribute__((always_inline)) __m512 value(__m512i sum, __m512 scale, __m512 bias) {
    return _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale), bias);
  }
};

inline void narrow_all(float* target, __m512 low, __m512 high) {
  _mm512_storeu_ps(target, low);
  _mm512_storeu_ps(target + kLanes, high);
}

// Rounds to nearest; denormals become zero, as in the tile products.
inline void narrow_all(Bf16* target, __m512 low, __m512 high) {
  _mm512_storeu_si512(target, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

// Requires values that fit in 32 bits; smaller and larger ones than those of type U8 saturate.
inline void narrow_all(U8* target, __m512 low, __m512 high) {
  const __m512i words = _mm512_packs_epi32(_mm512_cvttps_epi32(low), _mm512_cvttps_epi32(high));
  const __m512i bytes = _mm512_packus_epi16(words, words);  // by quarters: four low values, four high ones, and again
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(target),
                      _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, bytes)));
}

inline void narrow_one(float* target, __m512 value) { _mm512_storeu_ps(target, value); }
inline void narrow_one(Bf16* target, __m512 value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), (__m256i)_mm512_cvtneps_pbh(value));
}
inline void narrow_one(U8* target, __m512 value) { store_all(target, value); }

inline void narrow_some(float* target, __mmask16 lanes, __m512 value) { store_lanes(target, lanes, value); }
inline void narrow_some(Bf16* target, __mmask16 lanes, __m512 value) {
  _mm256_mask_storeu_epi16(target, lanes, (__m256i)_mm512_cvtneps_pbh(value));
}
inline void narrow_some(U8* target, __mmask16 lanes, __m512 value) { store_lanes(target, lanes, value); }

// Makes quantised copies of results. Of type U8 there are none.
struct Copier {
  __m512 factor;
  __m512 offset;

  explicit Copier(const ConvArgs& args)
      : factor(_mm512_set1_ps(args.copy_factor)), offset(_mm512_set1_ps(args.copy_offset)) {}

  template <typename Out>
  __attribute__((always_inline)) void copy_one(const Out* source, U8* target) const {
    narrow_one(target, steps(source));
  }
  template <typename Out>
  __attribute__((always_inline)) void copy_two(const Out* source, U8* target) const {
    narrow_all(target, steps(source), steps(source + kLanes));
  }

  // Below 256, so that they fit in 32 bits. NaN stays NaN, which becomes zero.
  template <typename Out>
  __attribute__((always_inline)) __m512 steps(const Out* source) const {
    const __m512 value = load_lanes(source, 0xffff);
    return _mm512_min_ps(_mm512_set1_ps(255.0f), _mm512_add_ps(_mm512_mul_ps(value, factor), offset));
  }
};

// Copies the outputs of a block, and what it cleared behind them.
template <typename Out>
void copy_block(const ConvArgs& args, const ConvBlock& block, const int32_t* pixels, int64_t count) {
  const Copier copier(args);
  const int64_t end = block.is_last ? args.copy.stride : block.first + block.width;
  for (int64_t n = 0; n < count; ++n) {
    const Out* const source = pixel_of<const Out>(args.out, pixels[n]);
    U8* const target = pixel_of<U8>(args.copy, pixels[n]);
    for (int64_t c = block.first; c < end; c += kLanes) copier.copy_one(source + c, target + c);
  }
}

// True if the residual of a pixel lies where its result goes.
inline bool adds_in_place(const ConvArgs& args) {
  return args.residual.data == args.out.data && args.residual.shift == args.out.shift &&
         args.residual.stride == args.out.stride;
}

// True if all outputs of all passes exist, passes are equally wide, and nothing is cleared or added to results, except
// for what lies in their place. Results of type U8 then need nothing but rounding, because numbers below zero become
// zero by themselves.
template <typename Out>
bool is_plain(const ConvArgs& args, const ConvBlock& block, bool adds_last) {
  const bool is_full = block.valid == block.width;
  const bool is_even = block.width == kTileOutputs || block.width % kPassOutputs == 0;
  const bool clears = block.is_last && args.clear_end > block.first + block.width;
  const bool adds =
      (args.residual.data != nullptr && !adds_in_place(args)) || (adds_last && args.addend.data != nullptr);
  if (!is_full || !is_even || clears || adds || args.activation == Activation::kLeakyRelu) return false;
  return !std::is_same_v<Out, U8> || args.activation == Activation::kNone || args.out_offset < 1.0f;
}

// Writes the outputs of one pass. `kAddsLast`: the addend is added to values, not to what sums start with.
template <typename Out, bool kAddsLast>
struct PassResults {
  const ConvArgs* call;
  const ConvBlock* outputs;
  int64_t first;  // first output of the pass
  int64_t valid;  // outputs of the pass that exist
  bool is_last;   // last pass of the last block
  __m512 floor;   // lower bound of plain results: zero for ReLU, otherwise minus infinity
  __m512 offset;  // added to results of type U8
  bool adds_in_place;
  Out* out;       // at pixel 0
  int64_t stride;

  __attribute__((always_inline)) PassResults(const ConvArgs& args, const ConvBlock& block, int64_t pass)
      : call(&args),
        outputs(&block),
        first(block.first + pass * kPassOutputs),
        valid(block.valid - pass * kPassOutputs),
        is_last(block.is_last && (pass + 1) * kPassOutputs >= block.width),
        floor(_mm512_set1_ps(args.activation == Activation::kRelu ? 0.0f : -__builtin_inff())),
        offset(_mm512_set1_ps(args.out_offset)),
        adds_in_place(args.residual.data != nullptr),
        out(pixel_of<Out>(args.out, 0) + first),
        stride(args.out.stride) {}

  __attribute__((always_inline)) __m512 with_offset(__m512 value) const {
    return std::is_same_v<Out, U8> ? _mm512_add_ps(value, offset) : value;
  }

  // These three require is_plain().
  __attribute__((always_inline)) __m512 plain(__m512 value, const Out* target) const {
    if constexpr (std::is_same_v<Out, U8>) return with_offset(value);
    const __m512 result = _mm512_max_ps(floor, value);  // this operand order propagates NaN
    return adds_in_place ? _mm512_add_ps(result, load_lanes(target, 0xffff)) : result;
  }
  __attribute__((always_inline)) void store_plain(__m512 low, __m512 high, Out* target) const {
    narrow_all(target, plain(low, target), plain(high, target + kLanes));
  }
  __attribute__((always_inline)) void store_plain(__m512 value, Out* target) const {
    narrow_one(target, plain(value, target));
  }

  __attribute__((always_inline)) void store(__m512 low, __m512 high, int32_t pixel) const {
    const ConvArgs& args = *call;
    Out* const target = out + pixel * stride;
    if (kAddsLast && args.addend.data != nullptr) add_map(args.addend, pixel, low, high);
    if (args.activation == Activation::kRelu) {
      low = relu(low);
      high = relu(high);
    } else if (args.activation == Activation::kLeakyRelu) {
      low = leaky_relu(low, load_slopes(args, first, lanes_below(valid)));
      high = leaky_relu(high, load_slopes(args, first + kLanes, lanes_below(valid - kLanes)));
    }
    if (args.residual.data != nullptr) add_map(args.residual, pixel, low, high);
    low = with_offset(low);
    high = with_offset(high);
    if (valid >= kPassOutputs) {
      narrow_one(target, low);
      narrow_one(target + kLanes, high);
    } else {
      store_some(target, low, high);
    }
    if (is_last && args.clear_end > first + kPassOutputs) {
      clear_channels(target - first, first + kPassOutputs, args.clear_end, zero());
    }
  }

  float zero() const { return std::is_same_v<Out, U8> ? call->out_offset : 0.0f; }

  void add_map(const NumberedMap& map, int32_t pixel, __m512& low, __m512& high) const {
    const Out* added = pixel_of<const Out>(map, pixel) + first;
    low = _mm512_add_ps(low, load_lanes(added, lanes_below(valid)));
    high = _mm512_add_ps(high, load_lanes(added + kLanes, lanes_below(valid - kLanes)));
  }

  // Stores the existing outputs, and zeros beyond them up to the block's end and `clear_end`.
  void store_some(Out* target, __m512 low, __m512 high) const {
    const int64_t end = written_end(*call, *outputs);
    const __m512 zeros = _mm512_set1_ps(zero());
    narrow_some(target, lanes_below(end - first), _mm512_mask_mov_ps(zeros, lanes_below(valid), low));
    narrow_some(target + kLanes, lanes_below(end - first - kLanes),
                _mm512_mask_mov_ps(zeros, lanes_below(valid - kLanes), high));
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
