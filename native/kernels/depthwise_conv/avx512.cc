#include "kernels/conv/vectors_avx512.h"
#include "kernels/depthwise_conv/columns.h"

namespace sparsesr {
namespace {

struct Avx512 {
  using Vector = __m512;
  static constexpr int64_t kLanes = 16;
  template <typename T>
  static Vector load(const T* source) {
    return load_lanes(source, 0xffff);
  }
  template <typename T>
  static void store(T* target, Vector value) {
    store_all(target, value);
  }
  static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }
  static Vector activate(Vector value, Activation activation, Vector slopes) {
    return sparsesr::activate(value, activation, slopes);
  }
};

}  // namespace

void f32_depthwise_conv__avx512(const DepthwiseConvArgsOf<float>& args, int64_t begin, int64_t end) {
  depthwise_tiles<Avx512>(args, begin, end);
}

void bf16_depthwise_conv__avx512(const DepthwiseConvArgsOf<Bf16>& args, int64_t begin, int64_t end) {
  depthwise_tiles<Avx512>(args, begin, end);
}

}  // namespace sparsesr
