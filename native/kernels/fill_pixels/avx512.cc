// Copies whole vectors.
#include <immintrin.h>

#include "kernels/fill_pixels/fill_pixels.h"

namespace sparsesr {
namespace {

constexpr int64_t kVectorBytes = 64;

}  // namespace

void fill_pixels__avx512(const FillPixelsArgs& args, const int32_t* pixels, int64_t count) {
  auto* const first = static_cast<char*>(args.out.data) + args.pixel_bytes - args.bytes;
  const auto* const values = static_cast<const char*>(args.values);
  for (int64_t offset = 0; offset < args.bytes; offset += kVectorBytes) {
    const int64_t some = args.bytes - offset;
    const auto lanes = static_cast<__mmask64>(some >= kVectorBytes ? ~0ull : (1ull << some) - 1ull);
    const __m512i value = _mm512_maskz_loadu_epi8(lanes, values + offset);
    for (int64_t n = 0; n < count; ++n) {
      _mm512_mask_storeu_epi8(first + (pixels[n] + args.out.shift) * args.pixel_bytes + offset, lanes, value);
    }
  }
}

}  // namespace sparsesr
