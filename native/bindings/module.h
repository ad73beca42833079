#pragma once

#include <nanobind/nanobind.h>

namespace sparsesr::bindings {

void bind_processor(nanobind::module_& m);
void bind_convolution(nanobind::module_& m);
void bind_transposed_convolution(nanobind::module_& m);
void bind_masks(nanobind::module_& m);
void bind_pixel_sets(nanobind::module_& m);
void bind_reached_pixels(nanobind::module_& m);
void bind_maps(nanobind::module_& m);
void bind_images(nanobind::module_& m);
void bind_single_maps(nanobind::module_& m);
void bind_tokens(nanobind::module_& m);
void bind_training(nanobind::module_& m);

}  // namespace sparsesr::bindings
