// Layout of balanced weights: the same small number of weights in every block of inputs of every output, at any
// positions (Yao et al., "Balanced Sparsity for Efficient DNN Inference on GPU", AAAI 2019).
//
// Lanes are outputs. A *record* is one vector of outputs and one block of inputs at one tap, as many inputs as a vector
// has lanes: `kept` vectors of values, and for each of them the position inside the block that each lane multiplies.
// `layout_steps` of the block is `kept`, the most that any of its records needs; others are filled up with zeros.
//
// Weights are [vector of outputs][input][tap]{values [record][kept][lane], positions [word][lane]}. A position takes
// half a byte, and a record whole bytes, so that a word of four bytes per lane serves up to four records. Permutations
// read only the low bits of a word: a load that starts `n` bytes later finds the positions of byte `n`, and a shift by
// four those in its high half. Each output is bias (+ addend), then one fp32 multiply-add per record and kept weight,
// in this order, for any number of pixels.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {

// Most weights of a record: with more, processors that multiply and add twice while they permute once are not faster
// than with all of them.
constexpr int max_kept(int lanes) { return lanes * 3 / 8; }

// Bytes per lane of a record's positions, records that share a word, and words of several records.
constexpr int position_bytes(int64_t kept) { return static_cast<int>((kept + 1) / 2); }
constexpr int records_per_word(int64_t kept) { return 4 / position_bytes(kept); }
constexpr int64_t position_words(int64_t records, int64_t kept) {
  return (records + records_per_word(kept) - 1) / records_per_word(kept);
}

// Bytes of the positions of record `record` before its own, in an array of words of kLanes lanes.
template <int kLanes>
constexpr int64_t position_offset(int64_t record, int64_t kept) {
  return record / records_per_word(kept) * kLanes * 4 + record % records_per_word(kept) * position_bytes(kept);
}

// Bytes of a vector of outputs at one tap of one input, for `channels` channels.
template <int kLanes>
constexpr int64_t tap_bytes(int64_t channels, int64_t kept) {
  const int64_t records = channels / kLanes;
  return (records * kept + position_words(records, kept)) * kLanes * 4;
}

// Bytes of a vector of outputs. The biases of a block follow its weights, which may have more taps than a call.
template <int kLanes>
int64_t bytes_per_vector(const ConvBlock& block) {
  const auto* const end = reinterpret_cast<const std::byte*>(block.bias);
  return (end - static_cast<const std::byte*>(block.weights)) / (block.width / kLanes);
}

// Packs blocks of kVectors vectors.
template <int kLanes, int kVectors>
PackedWeights pack_balanced(const ConvWeights& weights);

// True if all taps have whole blocks of kLanes channels, and permuting is cheaper than multiplying by zeros.
template <int kLanes>
bool suits_balanced(const ConvWeights& weights);

}  // namespace sparsesr
