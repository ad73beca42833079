// Transposed 3x3 convolution with stride 2, padding 1 and output padding 1: doubles the size.
#pragma once

#include <array>
#include <cstdint>

#include "core/window.h"
#include "operators/packed_kernel.h"

namespace sparsesr {

// Each of the four output phases (even or odd row and column) is a small convolution with 1, 2, 2 or 4 taps, run by the
// convolution kernel.
class PackedDeconv {
 public:
  // `weight` is [c_in][c_out][3][3]; `bias` may be null; `in` is the type of the input.
  PackedDeconv(const float* weight, const float* bias, int64_t c_in, int64_t c_out, MapType in, Isa isa);

  int64_t c_in() const { return c_in_; }
  int64_t c_out() const { return c_out_; }
  MapType in() const { return in_; }
  Isa isa() const { return isa_; }
  size_t nbytes() const;
  const PackedKernel& phase(int row_phase, int column_phase) const {
    return phases_[static_cast<size_t>(2 * row_phase + column_phase)];
  }

 private:
  int64_t c_in_;
  int64_t c_out_;
  MapType in_;
  Isa isa_;
  std::array<PackedKernel, 4> phases_;
};

// Computes output rows [r0, r1). Reads input rows r / 2 and, for odd r, the row below unless it is x_height.
void conv_transpose2x_rows(const PackedDeconv& deconv, const AnyWindow& x, int64_t x_height,
                           const AnyWindow& out, int64_t r0, int64_t r1, int threads);

}  // namespace sparsesr
