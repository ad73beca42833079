// Training of chains of convolutions, for the lab.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/checks.h"
#include "bindings/module.h"
#include "core/kernel_table.h"
#include "operators/relu_chain.h"
#include "operators/residual_chain.h"
#include "operators/winograd_relu_chain.h"
#include "operators/winograd_residual_chain.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

using InArrays = std::vector<InArray>;
using OutArrays = std::vector<OutArray>;

// Values of the maps of a chain, as numpy and as the chain see them.
template <typename Chain>
struct Values;

struct Bf16Values {
  using Array = uint16_t;  // bits of bf16
  using Map = Bf16;

  static bool can_train(int64_t channels) {
    const TrainConvKernels* const kernels = kernel_table(current_isa()).train_conv;
    return kernels != nullptr && kernels->has_channels(channels);
  }

  static const TrainConvKernels& kernels() { return *kernel_table(current_isa()).train_conv; }
};

template <>
struct Values<ResidualChain> : Bf16Values {};

template <>
struct Values<ReluChain> : Bf16Values {};

struct F32Values {
  using Array = float;
  using Map = float;

  static bool can_train(int64_t channels) { return channels > 0 && channels % kWinogradGranule == 0; }

  static Isa kernels() { return current_isa(); }
};

template <>
struct Values<WinogradResidualChain> : F32Values {};

template <>
struct Values<WinogradReluChain> : F32Values {};

// The reference kernels, which can train too, are slower than any framework.
bool can_train_chain(int64_t channels, const std::string& dtype) {
  const MapType type = parse_map_type(dtype);
  if (type == MapType::kF32) return F32Values::can_train(channels) && has_fast(current_isa(), type);
  return type == MapType::kBf16 && Bf16Values::can_train(channels);
}

template <typename Array>
auto* weights_data(const Array& array, int64_t channels, std::string_view name) {
  auto* const data = array_data<float>(array, 4, name);
  const auto is = [&](size_t axis, int64_t size) { return static_cast<int64_t>(array.shape(axis)) == size; };
  if (!is(0, channels) || !is(1, 3) || !is(2, 3) || !is(3, channels)) {
    fail("'" + std::string(name) + "' must have the shape (channels, 3, 3, channels)");
  }
  return data;
}

template <typename Array>
auto* biases_data(const Array& array, int64_t channels, std::string_view name) {
  auto* const data = array_data<float>(array, 1, name);
  if (static_cast<int64_t>(array.shape(0)) != channels) {
    fail("'" + std::string(name) + "' must have one value per channel");
  }
  return data;
}

// Data of a chain's weights; fails if no kernels here train so many channels.
template <typename Chain>
std::vector<const float*> read_weights(const InArrays& weights) {
  const int64_t channels = weights[0].ndim() == 4 ? static_cast<int64_t>(weights[0].shape(0)) : 0;
  if (!Values<Chain>::can_train(channels)) fail("there are no kernels here that train so many channels; see can_train_chain");
  std::vector<const float*> data;
  for (const InArray& array : weights) data.push_back(weights_data(array, channels, "weights"));
  return data;
}

template <typename Chain>
void make_chain(Chain* self, const InArrays& weights, const InArrays& biases, int threads) {
  if (weights.empty() || weights.size() % 2 != 0) fail("'weights' must be two arrays per block");
  if (biases.size() != weights.size()) fail("'biases' must be as many as 'weights'");
  check_threads(threads);
  const std::vector<const float*> read = read_weights<Chain>(weights);
  const auto channels = static_cast<int64_t>(weights[0].shape(0));
  std::vector<const float*> biases_data_;
  for (const InArray& array : biases) biases_data_.push_back(biases_data(array, channels, "biases"));
  new (self) Chain(Values<Chain>::kernels(), channels, read, biases_data_, threads);
}

template <typename Chain>
void make_relu_chain(Chain* self, const InArrays& weights, int threads) {
  if (weights.empty()) fail("'weights' must have an array per layer");
  check_threads(threads);
  const std::vector<const float*> read = read_weights<Chain>(weights);
  new (self) Chain(Values<Chain>::kernels(), static_cast<int64_t>(weights[0].shape(0)), read, threads);
}

// Images x height x width x channels.
template <typename Array>
BatchShape batch_shape(const Array& array, int64_t channels, std::string_view name) {
  if (array.ndim() != 4 || static_cast<int64_t>(array.shape(3)) != channels || array.size() == 0) {
    fail("'" + std::string(name) + "' must have the shape (images, height, width, " + std::to_string(channels) + ")");
  }
  return {static_cast<int64_t>(array.shape(0)), static_cast<int64_t>(array.shape(1)),
          static_cast<int64_t>(array.shape(2))};
}

void check_same(const BatchShape& a, const BatchShape& b, std::string_view name) {
  if (a.images != b.images || a.height != b.height || a.width != b.width) {
    fail("'" + std::string(name) + "' must have the shape of the forward pass");
  }
}

template <typename Chain>
const auto* read_batch(const InArray& array, std::string_view name) {
  using Types = Values<Chain>;
  return reinterpret_cast<const typename Types::Map*>(array_data<typename Types::Array>(array, 4, name));
}

template <typename Chain>
auto* written_batch(const OutArray& array, std::string_view name) {
  using Types = Values<Chain>;
  return reinterpret_cast<typename Types::Map*>(array_data<typename Types::Array>(array, 4, name));
}

const uint8_t* mask_data(const std::optional<InArray>& mask, const BatchShape& shape) {
  if (!mask) return nullptr;
  const auto* const data = array_data<uint8_t>(*mask, 3, "mask");
  const auto is = [&](size_t axis, int64_t size) { return static_cast<int64_t>(mask->shape(axis)) == size; };
  if (!is(0, shape.images) || !is(1, shape.height) || !is(2, shape.width)) {
    fail("'mask' must have the shape (images, height, width)");
  }
  return data;
}

// Channels of a chain's result.
template <typename Chain>
int64_t result_channels(const Chain& chain) {
  return chain.channels();
}

int64_t result_channels(const ReluChain& chain) { return chain.layers() * chain.channels(); }

int64_t result_channels(const WinogradReluChain& chain) { return chain.layers() * chain.channels(); }

template <typename Chain>
auto forward(const Chain& chain, const InArray& x, const OutArray& y, int threads,
                  const std::optional<InArray>& mask) {
  const BatchShape shape = batch_shape(x, chain.channels(), "x");
  check_same(shape, batch_shape(y, result_channels(chain), "y"), "y");
  check_threads(threads);
  const auto* const from = read_batch<Chain>(x, "x");
  auto* const to = written_batch<Chain>(y, "y");
  const uint8_t* const active = mask_data(mask, shape);
  const nb::gil_scoped_release no_gil;
  return chain.forward(shape, from, to, active, threads);
}

// `count`: maps per image that the chain's forward pass keeps.
template <typename Chain, typename Maps>
void check_backward(const Chain& chain, const Maps& maps, int64_t count, const InArray& y_gradient,
                    const OutArray& x_gradient, int threads) {
  if (maps.channels() != chain.channels() || maps.count() != count) fail("'maps' are of another chain");
  check_same(maps.shape(), batch_shape(y_gradient, result_channels(chain), "y_gradient"), "y_gradient");
  check_same(maps.shape(), batch_shape(x_gradient, chain.channels(), "x_gradient"), "x_gradient");
  check_threads(threads);
}

template <typename Chain, typename Maps>
void backward(const Chain& chain, const Maps& maps, const InArray& y_gradient, const OutArray& x_gradient,
              const OutArrays& weights, const OutArrays& biases, int threads) {
  check_backward(chain, maps, chain.layers(), y_gradient, x_gradient, threads);
  const auto layers = static_cast<size_t>(chain.layers());
  if (weights.size() != layers || biases.size() != layers) fail("gradients must be as many as the chain has layers");
  std::vector<LayerGradients> gradients;
  for (size_t i = 0; i < layers; ++i) {
    gradients.push_back({weights_data(weights[i], chain.channels(), "weights"),
                         biases_data(biases[i], chain.channels(), "biases")});
  }
  const auto* const from = read_batch<Chain>(y_gradient, "y_gradient");
  auto* const to = written_batch<Chain>(x_gradient, "x_gradient");
  const nb::gil_scoped_release no_gil;
  chain.backward(maps, from, to, gradients, threads);
}

template <typename Chain, typename Maps>
void relu_backward(const Chain& chain, const Maps& maps, const InArray& y_gradient, const OutArray& x_gradient,
                   const OutArrays& weights, int threads) {
  check_backward(chain, maps, chain.layers() + 1, y_gradient, x_gradient, threads);
  if (static_cast<int64_t>(weights.size()) != chain.layers()) fail("gradients must be as many as the chain has layers");
  std::vector<float*> gradients;
  for (const OutArray& array : weights) gradients.push_back(weights_data(array, chain.channels(), "weights"));
  const auto* const from = read_batch<Chain>(y_gradient, "y_gradient");
  auto* const to = written_batch<Chain>(x_gradient, "x_gradient");
  const nb::gil_scoped_release no_gil;
  chain.backward(maps, from, to, gradients, threads);
}

template <typename Chain, typename Maps>
void bind_residual_chain(nb::module_& m, const char* chain) {
  using namespace nb::literals;
  nb::class_<Chain>(m, chain)
      .def("__init__", &make_chain<Chain>, "weights"_a, "biases"_a, "threads"_a = 1)
      .def("forward", &forward<Chain>, "x"_a, "y"_a, "threads"_a = 1, "mask"_a = nb::none())
      .def("backward", &backward<Chain, Maps>, "maps"_a, "y_gradient"_a, "x_gradient"_a, "weights"_a, "biases"_a,
           "threads"_a = 1);
}

template <typename Chain, typename Maps>
void bind_relu_chain(nb::module_& m, const char* chain) {
  using namespace nb::literals;
  nb::class_<Chain>(m, chain)
      .def("__init__", &make_relu_chain<Chain>, "weights"_a, "threads"_a = 1)
      .def("forward", &forward<Chain>, "x"_a, "y"_a, "threads"_a = 1, "mask"_a = nb::none())
      .def("backward", &relu_backward<Chain, Maps>, "maps"_a, "y_gradient"_a, "x_gradient"_a, "weights"_a,
           "threads"_a = 1);
}

}  // namespace

void bind_training(nb::module_& m) {
  using namespace nb::literals;
  m.def("can_train_chain", &can_train_chain, "channels"_a, "dtype"_a);
  nb::class_<ChainMaps>(m, "ChainMaps");
  bind_residual_chain<ResidualChain, ChainMaps>(m, "ResidualChain");
  bind_relu_chain<ReluChain, ChainMaps>(m, "ReluChain");
  nb::class_<WinogradMaps>(m, "WinogradMaps");
  bind_residual_chain<WinogradResidualChain, WinogradMaps>(m, "WinogradResidualChain");
  bind_relu_chain<WinogradReluChain, WinogradMaps>(m, "WinogradReluChain");
}

}  // namespace sparsesr::bindings
