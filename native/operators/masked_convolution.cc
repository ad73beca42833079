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

// Inactive pixels of some rows: for `kBorder` the border where it is known, all inactive pixels where it is not.
std::array<PixelMask::Pixels, 2> inactive_pixels(const PixelMask& mask, Fill which, int64_t r0, int64_t r1) {
  if (which == Fill::kNowhere) return {};
  if (which == Fill::kEverywhere) return {mask.inactive(r0, r1)};
  const int64_t known = std::clamp(mask.border_rows(), r0, r1);
  return {mask.border(r0, known), mask.inactive(known, r1)};
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

// Pixels filled or copied in the time of one active pixel.
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
  const auto [known, unknown] =
      inactive_pixels(*call.mask, call.constants.empty() ? Fill::kNowhere : call.fill, r0, r1);
  const auto [known_copies, unknown_copies] = inactive_pixels(*call.mask, call.copied, r0, r1);
  const Section active{call.mask->active(r0, r1), group};
  const std::span<const uint16_t> taps = call.mask->neighbours(r0, r1);
  const Section inactive{call.outside.conv == nullptr ? PixelMask::Pixels() : call.mask->inactive(r0, r1),
                         pixels_outside_per_active(call) * group};
  const Section border{known, fill_unit};
  const Section no_border_yet{unknown, fill_unit};
  const Section copied{known_copies, fill_unit};
  const Section no_border_to_copy_yet{unknown_copies, fill_unit};

  // A single range of units, so that threads wait for each other only once.
  const int64_t first_inactive = active.units();
  const int64_t first_border = first_inactive + inactive.units();
  const int64_t first_unknown = first_border + border.units();
  const int64_t first_copied = first_unknown + no_border_yet.units();
  const int64_t first_unknown_copied = first_copied + copied.units();
  const int64_t units = first_unknown_copied + no_border_to_copy_yet.units();
  parallel_for(threads, 0, units, 1, [&](int64_t begin, int64_t end) {
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
    for (const PixelMask::Pixels pixels :
         {copied.between(begin - first_copied, end - first_copied),
          no_border_to_copy_yet.between(begin - first_unknown_copied, end - first_unknown_copied)}) {
      if (!pixels.empty()) full.copy(pixels);
    }
  });
}

}  // namespace sparsesr
