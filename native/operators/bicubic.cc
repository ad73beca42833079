#include "operators/bicubic.h"

#include <cmath>

namespace sparsesr {
namespace {

constexpr double kA = -0.75;

// Keys' cubic convolution kernel.
double cubic(double distance) {
  const double d = std::abs(distance);
  if (d <= 1.0) return ((kA + 2.0) * d - (kA + 3.0)) * d * d + 1.0;
  if (d < 2.0) return ((kA * d - 5.0 * kA) * d + 8.0 * kA) * d - 4.0 * kA;
  return 0.0;
}

}  // namespace

void set_bicubic_phases(BicubicArgs& args) {
  for (int64_t phase = 0; phase < args.scale; ++phase) {
    const double position = (static_cast<double>(phase) + 0.5) / static_cast<double>(args.scale) - 0.5;
    args.offset[phase] = static_cast<int64_t>(std::floor(position)) - 1;
    for (int64_t t = 0; t < 4; ++t) {
      const double distance = position - static_cast<double>(args.offset[phase] + t);
      args.weights[phase][t] = static_cast<float>(cubic(distance));
    }
  }
}

int64_t first_source_row(const BicubicArgs& args, int64_t r) {
  return r / args.scale + args.offset[r % args.scale];
}

}  // namespace sparsesr
