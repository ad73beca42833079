// What the processor can do and which kernels that gives.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/checks.h"
#include "bindings/module.h"
#include "sparsesr/kernel_table.h"
#include "sparsesr/multiply_add_peak.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

void check_dtype(const std::string& dtype) {
  if (dtype != "f32") fail("no kernels for dtype '" + dtype + "'; choose f32");
}

nb::dict table(const std::string& dtype) {
  check_dtype(dtype);
  nb::dict names;
  for (const auto& [operation, name] : kernel_names(kernel_table(current_isa()))) {
    names[operation.c_str()] = name;
  }
  return names;
}

std::optional<std::string> set_cpu(const std::optional<std::string>& name) {
  const std::string before = force_isa(name.value_or(""));
  return before.empty() ? std::nullopt : std::optional(before);
}

double peak(const std::string& dtype, int threads, int ms) {
  check_dtype(dtype);
  check_threads(threads);
  if (ms < 1 || ms > 60000) fail("'ms' must be 1 to 60000");
  const Isa isa = current_isa();
  const nb::gil_scoped_release no_gil;
  return multiply_add_peak(isa, threads, ms);
}

}  // namespace

void bind_processor(nb::module_& m) {
  using namespace nb::literals;
  m.def("cpu_features", &available_isas);
  m.def("set_cpu", &set_cpu, "name"_a.none());
  m.def("kernel_table", &table, "dtype"_a = "f32");
  m.def("multiply_add_peak", &peak, "dtype"_a = "f32", "threads"_a = 1, "ms"_a = 100);
}

}  // namespace sparsesr::bindings
