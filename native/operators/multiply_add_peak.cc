#include "operators/multiply_add_peak.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "core/kernel_table.h"

namespace sparsesr {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double best_slice(PeakKernel* kernel, double limit_s) {
  constexpr int64_t kIterations = 20000;  // a few tenths of a millisecond
  constexpr int kLeastSlices = 10;        // a delayed thread may run out of time after a single slice
  const Clock::time_point start = Clock::now();
  volatile float sink = 0.0f;
  double best = 0.0;
  for (int slices = 0; slices < kLeastSlices || seconds_since(start) < limit_s; ++slices) {
    const Clock::time_point slice = Clock::now();
    const PeakRun run = kernel(kIterations);
    best = std::max(best, run.flops / seconds_since(slice));
    sink = run.sink;
  }
  (void)sink;
  return best * 1e-9;
}

}  // namespace

double multiply_add_peak(Isa isa, MapType type, int threads, int milliseconds) {
  const KernelTable& table = kernel_table(isa);
  PeakKernel* const kernels[kMapTypes] = {table.peak.run, table.peak_bf16.run, table.peak_u8.run};
  PeakKernel* const kernel = kernels[static_cast<int>(type)];
  const double limit_s = milliseconds * 1e-3;
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::jthread> others;
  for (size_t i = 1; i < rates.size(); ++i) {
    others.emplace_back([&, i] { rates[i] = best_slice(kernel, limit_s); });
  }
  rates[0] = best_slice(kernel, limit_s);
  others.clear();  // joins the threads
  double sum = 0.0;
  for (const double rate : rates) sum += rate;
  return sum;
}

}  // namespace sparsesr
