// Builds convolution calls from Python arguments.
#pragma once

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "bindings/checks.h"
#include "operators/convolution.h"

namespace sparsesr::bindings {

using Inputs = std::vector<PlacedArray>;
using OptionalMap = std::optional<PlacedArray>;
using OptionalSlopes = std::optional<InArray>;  // one per output channel

ConvCall make_call(const PackedConv& conv, const Inputs& inputs, const OutArray& out, int64_t out_row0,
                   const std::string& activation, float slope, const OptionalSlopes& slopes,
                   const OptionalMap& residual = {}, const OptionalMap& accumulate = {});

// Scale and zero of an `out` of uint8, and only of that.
void set_out_steps(ConvCall& call, const std::optional<Steps>& steps);

// A quantised copy of an `out` of floats.
void set_copy(ConvCall& call, const std::optional<CopyArray>& copy);

// Checks everything that does not depend on the pixels: channels, widths and shared memory.
void check_shapes(const ConvCall& call);
void check_conv_rows(const ConvCall& call, int64_t r0, int64_t r1);

}  // namespace sparsesr::bindings
