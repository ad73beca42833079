// Processor features and the resulting kernels.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings/checks.h"
#include "bindings/module.h"
#include "core/detected_features.h"
#include "core/kernel_table.h"
#include "core/threads.h"
#include "operators/multiply_add_peak.h"

namespace sparsesr::bindings {
namespace {

namespace nb = nanobind;

nb::dict table() {
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
  const MapType type = parse_map_type(dtype);
  check_threads(threads);
  if (ms < 1 || ms > 60000) fail("'ms' must be 1 to 60000");
  const Isa isa = current_isa();
  const nb::gil_scoped_release no_gil;
  return multiply_add_peak(isa, type, threads, ms);
}

// Requests the AMX tiles; returns the reason if they may not be used.
std::optional<std::string> amx_refusal() {
  const std::string& refusal = amx_state().refusal;
  return refusal.empty() ? std::nullopt : std::optional(refusal);
}

// Calls, and seconds: in calls, and waiting.
std::tuple<int64_t, double, double> thread_waits() {
  constexpr double kSecond = 1e9;
  const ThreadWaits& waits = waits_of_this_thread();
  return {waits.calls, static_cast<double>(waits.calls_ns) / kSecond, static_cast<double>(waits.waiting_ns) / kSecond};
}

}  // namespace

void bind_processor(nb::module_& m) {
  using namespace nb::literals;
  m.def("cpu_features", &available_isas);
  m.def("processor_features", [] { return feature_names(usable_features(current_isa())); });
  m.def("amx_refusal", &amx_refusal);
  m.def("set_cpu", &set_cpu, "name"_a.none());
  m.def("kernel_table", &table);
  m.def("has_fast_bf16", [] { return has_fast(current_isa(), MapType::kBf16); });
  m.def("has_fast_int8", [] { return has_fast(current_isa(), MapType::kU8); });
  m.def("thread_waits", &thread_waits);
  m.def("multiply_add_peak", &peak, "dtype"_a = "f32", "threads"_a = 1, "ms"_a = 100);
}

}  // namespace sparsesr::bindings
