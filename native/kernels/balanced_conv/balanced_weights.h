// Layout of balanced weights: the same small number of weights in every block of inputs of every output, at any
// positions (Yao et al., "Balanced Sparsity for Efficient DNN Inference on GPU", AAAI 2019).
//
// Lanes are outputs, of 32 bits: a lane multiplies one input of type float at once, two of Bf16, four of U8. A *record*
// is one vector of outputs and one block of inputs at one tap, as many inputs as a vector holds. It has `steps` vectors
// of values, and for each value the position of its input inside the block. `layout_steps` of the block is `steps`, the
// most that any of its records needs; others are filled up with zeros.
//
// Weights are [vector of outputs][input][tap]{values [record][step][lane][value], positions [word][lane][value]}. Words
// are as long as a value; a position takes a byte of one, or half a byte in fp32, and the bytes of a record follow
// those of the last. Permutations read only the low bits of a word: a load that starts `n` bytes later finds the
// positions of byte `n`, and a shift by four those in its high half. Each output is bias (+ addend), then the products
// of each record and step, in this order, for any number of pixels.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

// Weights multiplied with inputs of a type.
template <typename Input>
struct WeightOf {
  using Type = Input;
};
template <>
struct WeightOf<U8> {
  using Type = int8_t;
};

// Vectors of kLanes outputs, for inputs of one type.
template <typename Input, int kLanes>
struct BalancedFormat {
  using Weight = typename WeightOf<Input>::Type;

  static constexpr int kValueBytes = sizeof(Weight);
  static constexpr int kValues = 4 / kValueBytes;  // of a lane, multiplied at once
  static constexpr int kBlock = kLanes * kValues;  // inputs of a record
  static constexpr int kVectorBytes = kLanes * 4;
  static constexpr int kStepsPerByte = kValueBytes == 4 ? 2 : 1;
  static constexpr int kMostSteps = kLanes / 2;  // with more, multiplying by zeros is faster

  // Bytes of a value's positions in a record.
  static constexpr int64_t position_bytes(int64_t steps) { return (steps + kStepsPerByte - 1) / kStepsPerByte; }
  // Where the positions of all lanes with this byte start; the bytes of all records of a tap follow each other.
  static constexpr int64_t position_offset(int64_t byte) {
    return byte / kValueBytes * kVectorBytes + byte % kValueBytes;
  }

  // Bytes of a vector of outputs at one tap of one input: of its values, and of all.
  static constexpr int64_t value_bytes(int64_t channels, int64_t steps) {
    return channels / kBlock * steps * kVectorBytes;
  }
  static constexpr int64_t tap_bytes(int64_t channels, int64_t steps) {
    const int64_t words = (channels / kBlock * position_bytes(steps) + kValueBytes - 1) / kValueBytes;
    return value_bytes(channels, steps) + words * kVectorBytes;
  }
};

// Bytes of a vector of outputs. The biases of a block follow its weights, which may have more taps than a call.
template <int kLanes>
int64_t bytes_per_vector(const ConvBlock& block) {
  const auto* const end = reinterpret_cast<const std::byte*>(block.bias);
  return (end - static_cast<const std::byte*>(block.weights)) / (block.width / kLanes);
}

// Packs blocks of kVectors vectors.
template <typename Input, int kLanes, int kVectors>
PackedWeights pack_balanced(const ConvWeights& weights);

// Ports of permutations, of which multiply-adds share one; see docs/balanced.md.
enum class Permutes { kOnePort, kTwoPorts };

// True if all taps have whole blocks, and permuting is cheaper than multiplying by zeros.
template <typename Input, int kLanes, Permutes kPermutes>
bool suits_balanced(const ConvWeights& weights);

}  // namespace sparsesr
