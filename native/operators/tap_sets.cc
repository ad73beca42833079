#include "operators/tap_sets.h"

#include <array>
#include <numeric>

namespace sparsesr {

PixelsByTaps sorted_by_taps(std::span<const int32_t> pixels, std::span<const uint16_t> taps) {
  std::array<uint32_t, (1u << kNeighbours) + 1> places{};  // position of the first pixel of each set
  for (const uint16_t set : taps) ++places[set + 1u];
  std::partial_sum(places.begin(), places.end(), places.begin());
  PixelsByTaps result{std::vector<int32_t>(pixels.size()), std::vector<uint16_t>(pixels.size())};
  for (size_t i = 0; i < pixels.size(); ++i) {
    const uint32_t place = places[taps[i]]++;
    result.pixels[place] = pixels[i];
    result.taps[place] = taps[i];
  }
  return result;
}

}  // namespace sparsesr
