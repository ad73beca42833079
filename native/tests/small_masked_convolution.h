// A masked convolution, for executables that run without Python.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rounding.h"
#include "operators/masked_convolution.h"
#include "tests/small_convolution.h"

namespace sparsesr {

// Same number of input and output channels; outside the mask, from the first `dense` inputs to the first `dense`
// outputs. The first two channels of the input are the logits of the mask.
class SmallMaskedConvolution {
 public:
  SmallMaskedConvolution(int64_t height, int64_t width, int64_t channels, int64_t dense, Isa isa,
                         MapType in = MapType::kF32)
      : inside_(height, width, channels, channels, 3, isa, in),
        outside_(height, width, dense, dense, 3, isa, in),
        dense_(dense),
        isa_(isa),
        mask_(height, width) {
    add_rows(height, 1);
    inside_.clear_input(mask_.inactive(0, height), dense);
  }

  const PixelMask& mask() const { return mask_; }
  // Result of the run into the object's own memory.
  const std::vector<float>& output() const { return inside_.output(); }

  void run_everywhere() { inside_.run_rows(1); }

  // Runs in two bands, as a network does: the mask is known only up to the end of the band.
  void run_in_bands(Fill fill, bool leaves_taps_out, int threads) {
    inside_.clear();
    mask_.clear();
    const MaskedConvCall masked = call(inside_.output_data(), fill, leaves_taps_out);
    const int64_t middle = inside_.height() / 2;
    add_rows(middle, threads);
    masked_conv_rows(masked, 0, middle, threads);
    add_rows(inside_.height(), threads);
    masked_conv_rows(masked, middle, inside_.height(), threads);
  }

  // Runs all rows into memory of the caller: rows -1 to height.
  void run_into(float* output, Fill fill, bool leaves_taps_out, int threads) const {
    masked_conv_rows(call(output, fill, leaves_taps_out), 0, inside_.height(), threads);
  }

 private:
  // About a third of the pixels are active.
  void add_rows(int64_t end, int threads) { mask_.grow(inside_.input(), end, -0.2f, threads, isa_); }

  MaskedConvCall call(float* output, Fill fill, bool leaves_taps_out) const {
    MaskedConvCall masked;
    masked.full = inside_.call(output);
    if (leaves_taps_out) masked.full.always = {dense_};
    masked.outside = outside_.call(output);
    masked.outside.out = masked.full.out;
    masked.outside.clears_rest = false;
    masked.mask = &mask_;
    masked.fill = fill;
    const int64_t behind_dense = rounded_up(dense_, kOutputGranule);
    masked.constants.assign(static_cast<size_t>(masked.full.out.stride - behind_dense), 0.5f);
    return masked;
  }

  SmallConvolution inside_;
  SmallConvolution outside_;
  int64_t dense_;
  Isa isa_;
  PixelMask mask_;
};

}  // namespace sparsesr
