// Groups of images whose weight gradients are summed separately, so that sums do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/page_pool.h"

namespace sparsesr {

// Each group costs memory; too few leave threads idle.
constexpr int64_t kMostGroups = 8;

// Images of a group.
struct Group {
  int64_t begin;
  int64_t end;
};

inline Group group_of(int64_t images, int64_t groups, int64_t number) {
  return {images * number / groups, images * (number + 1) / groups};
}

// Gradient sums: one part per layer and group.
struct GradientSums {
  int64_t weights_size;
  int64_t channels;
  int64_t groups;
  float* weights;
  float* biases;

  float* weights_of(int64_t layer, int64_t group) const { return weights + (layer * groups + group) * weights_size; }
  float* biases_of(int64_t layer, int64_t group) const { return biases + (layer * groups + group) * channels; }
};

// Memory of the sums of a batch of `images`; weight sums are not initialised, those of biases are zero.
class GradientSumsBuffer {
 public:
  GradientSumsBuffer(int64_t images, int64_t layers, int64_t weights_size, int64_t channels)
      : groups_(std::min(images, kMostGroups)), weights_(pooled_bytes(layers * groups_ * weights_size * sizeof(float))),
        biases_(layers * groups_ * channels),
        sums_{weights_size, channels, groups_, reinterpret_cast<float*>(weights_.get()), biases_.data()} {}
  GradientSumsBuffer(const GradientSumsBuffer&) = delete;
  GradientSumsBuffer& operator=(const GradientSumsBuffer&) = delete;

  const GradientSums& sums() const { return sums_; }

 private:
  int64_t groups_;
  PooledBytes weights_;
  std::vector<float> biases_;
  GradientSums sums_;
};

inline void add_groups(const GradientSums& sums, int64_t layer, float* biases) {
  for (int64_t channel = 0; channel < sums.channels; ++channel) {
    float sum = 0.0f;
    for (int64_t group = 0; group < sums.groups; ++group) sum += sums.biases_of(layer, group)[channel];
    biases[channel] = sum;
  }
}

}  // namespace sparsesr
