#include "bindings/module.h"

NB_MODULE(_native, m) {
  m.doc() = "Native kernels of sparsesr; see _native.pyi.";
  sparsesr::bindings::bind_processor(m);
  sparsesr::bindings::bind_pixel_sets(m);
  sparsesr::bindings::bind_convolution(m);
  sparsesr::bindings::bind_transposed_convolution(m);
  sparsesr::bindings::bind_masks(m);
  sparsesr::bindings::bind_reached_pixels(m);
  sparsesr::bindings::bind_maps(m);
  sparsesr::bindings::bind_images(m);
  sparsesr::bindings::bind_single_maps(m);
  sparsesr::bindings::bind_tokens(m);
  sparsesr::bindings::bind_training(m);
}
