// Layouts of batches of maps, as callers hand them over.
#pragma once

#include <cstdint>

namespace sparsesr {

// (images, height, width, channels).
struct BatchShape {
  int64_t images;
  int64_t height;
  int64_t width;
};

// Maps of all layers side by side: (images, height, width, layers * channels). Sizes are in values.
struct SideBySide {
  BatchShape shape;
  int64_t channels;
  int64_t layers;

  int64_t pixel() const { return layers * channels; }
  int64_t row() const { return shape.width * pixel(); }
  // First value of an image's map.
  int64_t first(int64_t image, int64_t layer) const { return image * shape.height * row() + layer * channels; }
};

}  // namespace sparsesr
