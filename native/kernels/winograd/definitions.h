// Defines the kernels of one instruction set.
#pragma once

#include "kernels/winograd/products.h"
#include "kernels/winograd/transforms.h"

// `rows`, `sum_rows`: of the blocks that fill the registers.
#define SPARSESR_DEFINE_WINOGRAD(set, Lanes, rows, sum_rows)                                                    \
  void f32_winograd_input__##set(const WinogradInputArgs& args) { transform_inputs<Lanes>(args); }              \
  void f32_winograd_gradient__##set(const WinogradInputArgs& args) { transform_gradients<Lanes>(args); }        \
  void f32_winograd_output__##set(const WinogradOutputArgs& args) { write_outputs<Lanes>(args); }               \
  void f32_winograd_product__##set(const WinogradProductArgs& args) { multiply_points<Lanes, rows, 2>(args); }  \
  void f32_winograd_sum__##set(const WinogradSumArgs& args) { sum_points<Lanes, sum_rows, 2>(args); }           \
  void f32_winograd_weight__##set(const WinogradWeightArgs& args) { transform_weights<Lanes, 2>(args); }        \
  void f32_winograd_weight_sum__##set(const WinogradWeightArgs& args) { add_weight_gradients<Lanes>(args); }
