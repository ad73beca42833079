#include "operators/masked_convolution.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/kernel_table.h"
#include "core/threads.h"

namespace sparsesr {
namespace {

// Constants in a map's value type.
class FillValues {
 public:
  FillValues(const std::vector<float>& values, MapType type, const MapSteps& steps)
      : bytes_(values.size() * value_bytes(type)) {
    if (type == MapType::kU8) {
      std::transform(values.begin(), values.end(), reinterpret_cast<U8*>(bytes_.data()),
                     [&](float value) { return quantised(value, steps.factor(), steps.offset()); });
    } else if (type == MapType::kBf16) {
      std::transform(values.begin(), values.end(), reinterpret_cast<Bf16*>(bytes_.data()), narrow<Bf16>);
    } else {
      std::copy(values.begin(), values.end(), reinterpret_cast<float*>(bytes_.data()));
    }
  }

  FillPixelsArgs args(const AnyWindow& out) const {
    return {by_pixel_number(out), out.stride * value_bytes(out.type), bytes_.data(),
            static_cast<int64_t>(bytes_.size())};
  }

 private:
  std::vector<std::byte> bytes_;
};

// Inactive pixels to fill: the border where it is known, all inactive pixels where it is not.
std::array<PixelMask::Pixels, 2> pixels_to_fill(const MaskedConvCall& call, int64_t r0, int64_t r1) {
  if (call.fill == Fill::kNowhere || call.constants.empty()) return {};
  if (call.fill == Fill::kEverywhere) return {call.mask->inactive(r0, r1)};
  const int64_t known = std::clamp(call.mask->border_rows(), r0, r1);
  return {call.mask->border(r0, known), call.mask->inactive(known, r1)};
}

// Pixels processed by one function, in units of about equal work.
struct Section {
  PixelMask::Pixels pixels;
  int64_t unit_pixels;  // a multiple of the number of pixels processed together

  int64_t units() const { return (static_cast<int64_t>(pixels.size()) + unit_pixels - 1) / unit_pixels; }

  PixelMask::Pixels between(int64_t begin, int64_t end) const {
    const auto count = static_cast<int64_t>(pixels.size());
    const int64_t first = std::clamp<int64_t>(begin * unit_pixels, 0, count);
    const int64_t last = std::clamp<int64_t>(end * unit_pixels, first, count);
    return pixels.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
  }
};

int64_t multiply_adds(const PackedConv& conv) {
  return conv.c_in() * conv.c_out() * conv.kernel() * conv.kernel();
}

// Pixels filled in the time of one active pixel.
constexpr int64_t kFilledPerActive = 32;

// Number of pixels outside the mask that cost as much as one inside. Small convolutions run less efficiently.
int64_t pixels_outside_per_active(const MaskedConvCall& call) {
  if (call.outside.conv == nullptr) return kFilledPerActive;
  const int64_t ratio = multiply_adds(*call.full.conv) / (2 * multiply_adds(*call.outside.conv));
  return std::clamp<int64_t>(ratio, 1, kFilledPerActive);
}

}  // namespace

void masked_conv_rows(const MaskedConvCall& call, int64_t r0, int64_t r1, int threads) {
  const ConvRun full(call.full);
  const ConvRun outside = call.outside.conv == nullptr ? ConvRun() : ConvRun(call.outside);
  const FillValues values(call.constants, call.full.out.type, call.full.out_steps);
  const FillPixelsArgs fill_args = values.args(call.full.out);
  const auto fill = kernel_table(call.full.conv->isa()).fill_pixels;

  const int64_t group = full.kernels().group_pixels;
  const int64_t fill_unit = kFilledPerActive * group;
  const auto [known, unknown] = pixels_to_fill(call, r0, r1);
  const Section active{call.mask->active(r0, r1), group};
  const std::span<const uint16_t> taps = call.mask->neighbours(r0, r1);
  const Section inactive{call.outside.conv == nullptr ? PixelMask::Pixels() : call.mask->inactive(r0, r1),
                         pixels_outside_per_active(call) * group};
  const Section border{known, fill_unit};
  const Section no_border_yet{unknown, fill_unit};

  // A single range of units, so that threads wait for each other only once.
  const int64_t first_inactive = active.units();
  const int64_t first_border = first_inactive + inactive.units();
  const int64_t first_unknown = first_border + border.units();
  parallel_for(threads, 0, first_unknown + no_border_yet.units(), 1, [&](int64_t begin, int64_t end) {
    if (const PixelMask::Pixels some = active.between(begin, end); !some.empty()) {
      const ConvWorker worker(full);
      if (call.full.always.empty()) {
        worker.at(some);
      } else {
        worker.at(some, taps.subspan(static_cast<size_t>(some.data() - active.pixels.data()), some.size()));
      }
    }
    const PixelMask::Pixels others = inactive.between(begin - first_inactive, end - first_inactive);
    if (!others.empty()) ConvWorker(outside).at(others);
    for (const PixelMask::Pixels pixels :
         {border.between(begin - first_border, end - first_border),
          no_border_yet.between(begin - first_unknown, end - first_unknown)}) {
      fill.run(fill_args, pixels.data(), static_cast<int64_t>(pixels.size()));
    }
  });
}

}  // namespace sparsesr
