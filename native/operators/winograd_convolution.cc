#include "operators/winograd_convolution.h"

#include <algorithm>
#include <cstring>

#include "core/kernel_table.h"
#include "core/openmp_threads.h"

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

WinogradWeights::WinogradWeights(Isa isa, int64_t channels, const std::vector<const float*>& weights, int threads)
    : isa_(isa), channels_(channels), layers_(static_cast<int64_t>(weights.size())),
      bytes_(pooled_values(2 * layers_ * weights_size(channels))), zeros_(static_cast<size_t>(channels)) {
  parallel_for_by_openmp(threads, 0, 2 * layers_, 1, [&](int64_t begin, int64_t end) {
    const PooledBytes taps = pooled_values(kTaps * channels * channels);
    auto* const reordered = reinterpret_cast<float*>(taps.get());
    for (int64_t number = begin; number < end; ++number) {
      const bool is_backward = number % 2 != 0;
      reorder(weights[static_cast<size_t>(number / 2)], channels, is_backward, reordered);
      const float* const to = is_backward ? backward(number / 2) : forward(number / 2);
      kernel_table(isa).winograd_weight.run({reordered, channels, const_cast<float*>(to)});
    }
  });
}

const float* WinogradWeights::forward(int64_t layer) const {
  return reinterpret_cast<const float*>(bytes_.get()) + 2 * layer * weights_size(channels_);
}

const float* WinogradWeights::backward(int64_t layer) const { return forward(layer) + weights_size(channels_); }

std::unique_ptr<const GradientSumsBuffer> WinogradWeights::new_sums(int64_t images) const {
  auto buffer = std::make_unique<const GradientSumsBuffer>(images, layers_, kTaps * channels_ * channels_, channels_);
  const GradientSums& sums = buffer->sums();
  std::memset(sums.weights, 0, static_cast<size_t>(layers_ * sums.groups * sums.weights_size) * sizeof(float));
  return buffer;
}

// Adds the groups of each layer and reorders [tap][input][output] to (outputs, 3, 3, inputs).
void WinogradWeights::give(const GradientSums& sums, const std::vector<float*>& gradients, int threads) const {
  parallel_for_by_openmp(threads, 0, layers_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t layer = begin; layer < end; ++layer) {
      float* from = sums.weights_of(layer, 0);
      for (int64_t group = 1; group < sums.groups; ++group) {
        for (int64_t n = 0; n < sums.weights_size; ++n) from[n] += sums.weights_of(layer, group)[n];
      }
      float* const to = gradients[static_cast<size_t>(layer)];
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        for (int64_t i = 0; i < channels_; ++i) {
          for (int64_t o = 0; o < channels_; ++o) to[(o * kTaps + tap) * channels_ + i] = *from++;
        }
      }
    }
  });
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

void WinogradWorker::add_gradients(const float* in, const float* out_gradient, const Tiles& tiles,
                                   const GradientSums& to, int64_t layer, int64_t group) const {
  if (tiles.count() == 0) return;
  const WinogradMap map = shape_.map();
  for_parts(tiles, [&](int64_t first, int64_t count) {
    const int32_t* const places = tiles.places.data() + first;
    kernels_.winograd_input.run({map, in, places, count, points()});
    kernels_.winograd_gradient.run({map, out_gradient, places, count, gradients()});
    kernels_.winograd_sum.run({points(), gradients(), map.channels, count, first == 0, sums()});
    add_bias_gradients(gradients(), map.channels, count, to.biases_of(layer, group));
  });
  kernels_.winograd_weight_sum.run({sums(), map.channels, to.weights_of(layer, group)});
}

void WinogradBackward::add_gradients(int64_t image, int64_t layer, const float* result) const {
  worker_.add_gradients(maps_.map(image, layer), result, maps_.tiles(image).active(), sums_, layer, group_);
}

void WinogradBackward::pass_relu(int64_t image, int64_t layer, const float* result, WinogradFinish finish,
                                 float* gradient) const {
  const WinogradCall call{weights_.backward(layer), result, weights_.no_bias(), finish, maps_.map(image, layer),
                          gradient};
  worker_.convolve(call, maps_.tiles(image).active());
}

void WinogradBackward::add_input(int64_t image, int64_t layer, const float* result, float* gradient) const {
  const WinogradCall call{weights_.backward(layer), result, weights_.no_bias(), WinogradFinish::kAdd, gradient,
                          gradient};
  worker_.convolve(call, maps_.tiles(image).reached());
}

}  // namespace sparsesr
