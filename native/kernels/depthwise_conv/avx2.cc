#include "kernels/conv/vectors_avx2.h"
#include "kernels/depthwise_conv/columns.h"

namespace sparsesr {
namespace {

struct Avx2 {
  using Vector = __m256;
  static constexpr int64_t kLanes = 8;
  template <typename T>
  static Vector load(const T* source) {
    return load_all(source);
  }
  static void store(float* target, Vector value) { _mm256_storeu_ps(target, value); }
  // Rounds like narrow<Bf16>.
  static void store(Bf16* target, Vector value) {
    const __m256i bits = _mm256_castps_si256(value);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    const __m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target), packed);
  }
  static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
  static Vector activate(Vector value, Activation activation, Vector slopes) {
    return sparsesr::activate(value, activation, slopes);
  }
};

}  // namespace

void f32_depthwise_conv__avx2(const DepthwiseConvArgsOf<float>& args, int64_t begin, int64_t end) {
  depthwise_tiles<Avx2>(args, begin, end);
}

void bf16_depthwise_conv__avx2(const DepthwiseConvArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  depthwise_tiles<Avx2>(args, begin, end);
}

}  // namespace sparsesr
