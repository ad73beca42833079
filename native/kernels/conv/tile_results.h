// Finishing and storing the sums of a pass of tiles. Local to each file that includes this.
#pragma once

#include <type_traits>

#include "kernels/conv/tile_plan.h"
#include "kernels/conv/vectors_avx512.h"

namespace sparsesr {
namespace {

// Sums of two pixel tiles for one pass of outputs.
template <typename Sum>
struct alignas(64) TileSums {
  Sum values[kGroupPixels][kPassOutputs];
};

// Values of the sums of bf16 products: themselves.
struct FloatSums {
  FloatSums(const ConvArgs&, const ConvBlock&, int64_t) {}

  static __attribute__((always_inline)) __m512 value(const float* sums, int vector) {
    return _mm512_load_ps(sums + vector * kLanes);
  }
};

// Values of whole sums: scaled, plus the bias, both in steps of a quantised `Out`.
template <typename Out>
struct WholeSums {
  __m512 scale[kPassTiles];
  __m512 bias[kPassTiles];

  __attribute__((always_inline)) WholeSums(const ConvArgs& args, const ConvBlock& block, int64_t pass) {
    const __m512 factor = _mm512_set1_ps(std::is_same_v<Out, U8> ? args.out_factor : 1.0f);
    for (int v = 0; v < kPassTiles; ++v) {
      const int64_t first = pass * kPassOutputs + v * kLanes;
      const __mmask16 lanes = lanes_below(block.width - first);
      scale[v] = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, block.scales + first), factor);
      bias[v] = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, block.bias + first), factor);
    }
  }

  __attribute__((always_inline)) __m512 value(const int32_t* sums, int vector) const {
    const __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(sums + vector * kLanes));
    return _mm512_add_ps(_mm512_mul_ps(sum, scale[vector]), bias[vector]);
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

// Like narrow<U8>: this operand order makes NaN 0, by way of the smallest integer.
inline void narrow_all(U8* target, __m512 low, __m512 high) {
  const __m512 most = _mm512_set1_ps(255.0f);
  const __m512i words = _mm512_packs_epi32(_mm512_cvttps_epi32(_mm512_min_ps(most, low)),
                                           _mm512_cvttps_epi32(_mm512_min_ps(most, high)));
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

// True if all outputs of all passes exist, passes are equally wide, and nothing is added to results or cleared.
inline bool is_plain(const ConvArgs& args, const ConvBlock& block, bool adds_last) {
  const bool is_full = block.valid == block.width;
  const bool is_even = block.width == kTileOutputs || block.width % kPassOutputs == 0;
  const bool clears = block.is_last && args.clear_end > block.first + block.width;
  const bool adds = args.residual.data != nullptr || (adds_last && args.addend.data != nullptr);
  return is_full && is_even && !clears && !adds && args.activation != Activation::kLeakyRelu;
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
        out(pixel_of<Out>(args.out, 0) + first),
        stride(args.out.stride) {}

  __attribute__((always_inline)) __m512 with_offset(__m512 value) const {
    return std::is_same_v<Out, U8> ? _mm512_add_ps(value, offset) : value;
  }

  __attribute__((always_inline)) __m512 plain(__m512 value) const {
    return with_offset(_mm512_max_ps(floor, value));  // this operand order propagates NaN
  }

  // These two require is_plain().
  __attribute__((always_inline)) void store_plain(__m512 low, __m512 high, int32_t pixel) const {
    narrow_all(out + pixel * stride, plain(low), plain(high));
  }
  __attribute__((always_inline)) void store_plain(__m512 value, int32_t pixel) const {
    narrow_one(out + pixel * stride, plain(value));
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
    if (valid >= kPassOutputs) {
      narrow_all(target, with_offset(low), with_offset(high));
    } else {
      store_some(target, with_offset(low), with_offset(high));
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
    const int64_t padded = outputs->first + outputs->width;
    const int64_t block_end = padded < call->out.stride ? padded : call->out.stride;
    const int64_t end = is_last && call->clear_end > block_end ? call->clear_end : block_end;
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
