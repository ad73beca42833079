#include "operators/winograd_convolution.h"

#include <algorithm>

#include "core/kernel_table.h"

namespace sparsesr {
namespace {

constexpr int64_t kTaps = 9;

int64_t weights_size(int64_t channels) { return kWinogradPoints * weight_point(channels); }

PooledBytes pooled_values(int64_t count) { return pooled_bytes(static_cast<size_t>(count) * sizeof(float)); }

// (outputs, 3, 3, inputs) to [3][3][inputs][outputs]; if `is_backward` to mirrored taps of [outputs][inputs].
void reorder(const float* weights, int64_t channels, bool is_backward, float* to) {
  for (int64_t o = 0; o < channels; ++o) {
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      for (int64_t i = 0; i < channels; ++i) {
        const int64_t place = is_backward ? ((kTaps - 1 - tap) * channels + o) * channels + i
                                          : (tap * channels + i) * channels + o;
        to[place] = *weights++;
      }
    }
  }
}

// Calls `use` with the first tile and the number of tiles of each part that is computed at once.
template <typename Use>
void for_parts(const Tiles& tiles, const Use& use) {
  for (int64_t first = 0; first < tiles.count(); first += kTilesAtOnce) {
    use(first, std::min(kTilesAtOnce, tiles.count() - first));
  }
}

// The sum of a tile's gradients is their transform at point (1, 1).
void add_bias_gradients(const float* points, int64_t channels, int64_t count, float* biases) {
  constexpr int64_t kSumPoint = 7;
  const float* from = points + kSumPoint * tile_point(channels);
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t c = 0; c < channels; ++c) biases[c] += *from++;
  }
}

}  // namespace

WinogradWeights::WinogradWeights(Isa isa, const float* weights, int64_t channels)
    : size_(weights_size(channels)), bytes_(pooled_values(2 * size_)) {
  const PooledBytes taps = pooled_values(kTaps * channels * channels);
  auto* const reordered = reinterpret_cast<float*>(taps.get());
  for (const bool is_backward : {false, true}) {
    reorder(weights, channels, is_backward, reordered);
    auto* const to = reinterpret_cast<float*>(bytes_.get()) + (is_backward ? size_ : 0);
    kernel_table(isa).winograd_weight.run({reordered, channels, to});
  }
}

WinogradWorker::WinogradWorker(Isa isa, const TiledShape& shape)
    : kernels_(kernel_table(isa)), shape_(shape),
      points_size_((kWinogradPoints + 1) * tile_point(shape.channels)),
      bytes_(pooled_values(2 * points_size_ + weights_size(shape.channels))) {}

void WinogradWorker::convolve(const WinogradCall& call, const Tiles& tiles) const {
  const WinogradMap map = shape_.map();
  for_parts(tiles, [&](int64_t first, int64_t count) {
    const int32_t* const places = tiles.places.data() + first;
    kernels_.winograd_input.run({map, call.in, places, count, points() + tile_point(map.channels)});
    kernels_.winograd_product.run({call.weights, map.channels, count, points()});
    kernels_.winograd_output.run({map, points(), places, tiles.active.data() + first, count, call.bias, call.finish,
                                  call.other, call.out});
  });
}

void WinogradWorker::add_gradients(const float* in, const float* out_gradient, const Tiles& tiles, float* weights,
                                   float* biases) const {
  const WinogradMap map = shape_.map();
  if (tiles.count() == 0) return;
  for_parts(tiles, [&](int64_t first, int64_t count) {
    const int32_t* const places = tiles.places.data() + first;
    kernels_.winograd_input.run({map, in, places, count, points()});
    kernels_.winograd_gradient.run({map, out_gradient, places, count, gradients()});
    kernels_.winograd_sum.run({points(), gradients(), map.channels, count, first == 0, sums()});
    add_bias_gradients(gradients(), map.channels, count, biases);
  });
  kernels_.winograd_weight_gradient.run({sums(), map.channels, weights});
}

}  // namespace sparsesr
