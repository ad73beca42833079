#include "kernels/conv/packed_weights.h"

#include <algorithm>

#include "core/rounding.h"

namespace sparsesr {
namespace {

constexpr int64_t kNumberBytes = 4;
static_assert(sizeof(float) == kNumberBytes && sizeof(int32_t) == kNumberBytes);

// Copies one number per output of a block, and moves on by the width of the block.
template <typename Number>
const Number* copy_numbers(const Number* all, const ConvBlock& block, std::byte*& place) {
  auto* const numbers = reinterpret_cast<Number*>(place);
  if (all != nullptr) std::copy_n(all + block.first, block.valid, numbers);
  place += block.width * kNumberBytes;
  return numbers;
}

}  // namespace

int64_t count_steps(const ConvSum& sum, int64_t channels) {
  int64_t steps = 0;
  for (const int64_t tap : sum.tap_channels) steps += rounded_up(tap, channels) / channels;
  return steps;
}

std::vector<ConvBlock> split_outputs(int64_t outputs, int64_t block_outputs) {
  const int64_t padded = rounded_up(outputs, kOutputGranule);
  std::vector<ConvBlock> blocks;
  for (int64_t first = 0; first < padded; first += block_outputs) {
    ConvBlock block{};
    block.first = first;
    block.width = std::min(block_outputs, padded - first);
    block.valid = std::min(block.width, outputs - first);
    block.is_last = first + block.width == padded;
    blocks.push_back(block);
  }
  return blocks;
}

PackedWeights pack_blocks(std::vector<ConvBlock> blocks, const WeightLayout& layout, const PerOutput& numbers) {
  const bool is_quantised = numbers.scales != nullptr;
  PackedWeights packed;
  packed.blocks = std::move(blocks);
  for (const ConvBlock& block : packed.blocks) {
    const int64_t number_bytes = (is_quantised ? 3 : 1) * block.width * kNumberBytes;
    packed.byte_count += static_cast<size_t>(layout.bytes(block) + number_bytes);
  }
  packed.bytes = aligned_zeros(packed.byte_count);
  std::byte* place = packed.bytes.get();
  for (ConvBlock& block : packed.blocks) {
    block.weights = place;
    layout.pack(block, place);
    place += layout.bytes(block);
    block.bias = copy_numbers(numbers.bias, block, place);
    if (!is_quantised) continue;
    block.scales = copy_numbers(numbers.scales, block, place);
    block.starts = copy_numbers(numbers.starts, block, place);
  }
  return packed;
}

}  // namespace sparsesr
