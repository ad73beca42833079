// Two 3x3 convolutions of an image, one after the other, as one of 5x5: exact, since nothing stands between them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/instruction_set.h"
#include "core/pixel_bits.h"
#include "core/window.h"
#include "kernels/folded_convs/folded_convs.h"
#include "operators/reached_pixels.h"

namespace sparsesr {

class FoldedConvs {
 public:
  // `first` is [hidden][3][3][3], `second` [outputs][hidden][3][3]; each has a bias.
  FoldedConvs(const float* first, const float* first_bias, int64_t hidden, const float* second,
              const float* second_bias, int64_t outputs, Isa isa);

  int64_t outputs() const { return outputs_; }

  // Computes at least the pixels of rows [r0, r1) that are not reached, and with `wanted`, of those only the ones in
  // that set; any values are written at others.
  void run(const InputWindow& image, int64_t height, const ReachedPixels& reached, const uint64_t* wanted,
           const Window& out, int64_t r0, int64_t r1, int threads) const;

 private:
  // Beyond the image the first convolution's results count as zero, so at its edges some of the second one's taps are
  // missing. Bit 0: there is a pixel before, bit 1: one behind.
  static constexpr int kCases = 4;
  struct Case {
    std::vector<float> weights;
    std::vector<float> bias;
  };

  void run_row(const InputWindow& image, int64_t height, const uint64_t* pixels, const Window& out, int64_t row) const;
  void run_edge(const FoldedConvsArgs& args, const Case& at, int64_t row, int64_t x) const;
  const Case& case_at(int rows, int columns) const { return cases_[static_cast<size_t>(rows * kCases + columns)]; }

  int64_t outputs_;
  Isa isa_;
  std::array<Case, kCases * kCases> cases_;
};

}  // namespace sparsesr
