#include "operators/folded_convs.h"

#include <algorithm>
#include <bit>

#include "core/kernel_table.h"
#include "core/rounding.h"
#include "core/threads.h"
#include "kernels/mask_lists/mask_lists.h"

namespace sparsesr {
namespace {

constexpr int64_t kSide = 3;
constexpr int64_t kArea = kSide * kSide;
constexpr int64_t kRowsTogether = 4;

int case_of(int64_t place, int64_t size) { return (place > 0 ? 1 : 0) | (place + 1 < size ? 2 : 0); }

// Whether a tap of the second convolution, 0 to 2 in one direction, falls on a pixel of the image.
bool is_inside(int places, int64_t tap) { return tap == 1 || (places & (tap == 0 ? 1 : 2)) != 0; }

// Place of a weight in [groups of outputs][taps][outputs of a group].
size_t place(int64_t output, int64_t row, int64_t channel, int64_t column) {
  const int64_t tap = (row * kImageChannels + channel) * kFoldedSide + column;
  const int64_t group = output / kFoldedTogether;
  return static_cast<size_t>((group * kFoldedTaps + tap) * kFoldedTogether + output % kFoldedTogether);
}

// The part of the 5x5 kernel that goes through one tap of the second convolution.
struct TapPart {
  std::vector<double> weights;  // [outputs][channel, row and column of the first kernel]
  std::vector<double> bias;     // [outputs]
};

TapPart part_of(int64_t tap, const float* first, const float* first_bias, int64_t hidden, const float* second,
                int64_t outputs) {
  constexpr int64_t kInner = kImageChannels * kArea;
  TapPart part{std::vector<double>(static_cast<size_t>(outputs * kInner)),
               std::vector<double>(static_cast<size_t>(outputs))};
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t h = 0; h < hidden; ++h) {
      const double factor = second[(o * hidden + h) * kArea + tap];
      part.bias[static_cast<size_t>(o)] += factor * first_bias[h];
      for (int64_t i = 0; i < kInner; ++i) {
        part.weights[static_cast<size_t>(o * kInner + i)] += factor * first[h * kInner + i];
      }
    }
  }
  return part;
}

}  // namespace

FoldedConvs::FoldedConvs(const float* first, const float* first_bias, int64_t hidden, const float* second,
                         const float* second_bias, int64_t outputs, Isa isa)
    : outputs_(outputs), isa_(isa) {
  const int64_t padded = rounded_up(outputs, kFoldedTogether);
  std::vector<TapPart> parts;
  for (int64_t tap = 0; tap < kArea; ++tap) {
    parts.push_back(part_of(tap, first, first_bias, hidden, second, outputs));
  }
  for (int number = 0; number < kCases * kCases; ++number) {
    std::vector<double> weights(static_cast<size_t>(padded * kFoldedTaps));
    std::vector<double> bias(static_cast<size_t>(padded));
    std::copy_n(second_bias, outputs, bias.begin());
    for (int64_t tap = 0; tap < kArea; ++tap) {
      const int64_t row = tap / kSide, column = tap % kSide;
      if (!is_inside(number / kCases, row) || !is_inside(number % kCases, column)) continue;
      const TapPart& part = parts[static_cast<size_t>(tap)];
      auto inner = part.weights.begin();
      for (int64_t o = 0; o < outputs; ++o) {
        bias[static_cast<size_t>(o)] += part.bias[static_cast<size_t>(o)];
        for (int64_t c = 0; c < kImageChannels; ++c) {
          for (int64_t i = 0; i < kArea; ++i) weights[place(o, row + i / kSide, c, column + i % kSide)] += *inner++;
        }
      }
    }
    cases_[static_cast<size_t>(number)] = {{weights.begin(), weights.end()}, {bias.begin(), bias.end()}};
  }
}

void FoldedConvs::run(const InputWindow& image, int64_t height, const ReachedPixels& reached, const uint64_t* wanted,
                      const Window& out, int64_t r0, int64_t r1, int threads) const {
  const int64_t words = words_of(image.width);
  parallel_for(threads, r0, r1, kRowsTogether, [&](int64_t begin, int64_t end) {
    std::vector<uint64_t> pixels(static_cast<size_t>(words));
    for (int64_t r = begin; r < end; ++r) {
      reached.find(r, pixels.data());
      for (int64_t w = 0; w < words; ++w) {
        uint64_t& word = pixels[static_cast<size_t>(w)];
        word = ~word & bits_within(image.width, w);
        if (wanted != nullptr) word &= wanted[r * words + w];
      }
      run_row(image, height, pixels.data(), out, r);
    }
  });
}

// Whole words at a time, from the first pixel of each to the last.
void FoldedConvs::run_row(const InputWindow& image, int64_t height, const uint64_t* pixels, const Window& out,
                          int64_t row) const {
  static_assert(kMaxFoldedPixels == kWordPixels);
  const int rows = case_of(row, height);
  const Case& inner = case_at(rows, case_of(1, 3));
  const FoldedConvsArgs args{image, height, inner.weights.data(), inner.bias.data(), outputs_, out};
  const int64_t last = image.width - 1;
  for (int64_t w = 0; w < words_of(image.width); ++w) {
    if (pixels[w] == 0) continue;
    const int64_t first = w * kWordPixels + std::countr_zero(pixels[w]);
    const int64_t end = (w + 1) * kWordPixels - std::countl_zero(pixels[w]);
    if (first == 0) run_edge(args, case_at(rows, case_of(0, image.width)), row, 0);
    if (end > last && last > 0) run_edge(args, case_at(rows, case_of(last, image.width)), row, last);
    const int64_t inside = std::max<int64_t>(first, 1), inside_end = std::min(end, last);
    if (inside < inside_end) kernel_table(isa_).folded_convs.run(args, row, inside, inside_end);
  }
}

// A pixel of the first or the last column.
void FoldedConvs::run_edge(const FoldedConvsArgs& args, const Case& at, int64_t row, int64_t x) const {
  float* const out = pixel_at(args.out, row, x);
  for (int64_t o = 0; o < outputs_; ++o) {
    float sum = at.bias[static_cast<size_t>(o)];
    for (int64_t dy = 0; dy < kFoldedSide; ++dy) {
      const int64_t r = row + dy - kFoldedReach;
      if (r < 0 || r >= args.height) continue;
      for (int64_t dx = 0; dx < kFoldedSide; ++dx) {
        const int64_t column = x + dx - kFoldedReach;
        if (column < 0 || column >= args.image.width) continue;
        const float* const pixel = pixel_at(args.image, r, column);
        for (int64_t c = 0; c < kImageChannels; ++c) sum += at.weights[place(o, dy, c, dx)] * pixel[c];
      }
    }
    out[o] = sum;
  }
}

}  // namespace sparsesr
