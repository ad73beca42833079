// One planted bug of each kind: `make sanitize` fails unless every one is reported, so that a build without working
// sanitizers (a missing flag, a runtime that is not loaded) cannot pass as clean.
//   planted_bugs overflow INSTRUCTION_SET | guard INSTRUCTION_SET | undefined | race | shared INSTRUCTION_SET
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "core/threads.h"
#include "tests/small_convolution.h"
#include "tests/small_masked_convolution.h"

namespace sparsesr {
namespace {

constexpr int64_t kHeight = 4;
constexpr int64_t kWidth = 8;
// Rows -1 to 2; row 3 is also written.
constexpr size_t kOutputBytes = kHeight * (kWidth + 2) * 16 * sizeof(float);

void write_a_row_too_many(const char* isa, float* output) {
  force_isa(isa);
  const SmallConvolution conv(kHeight, kWidth, 3, 16, 3, current_isa());
  conv.run_rows_into(output, 1);
}

void overflow(const char* isa) {
  const auto output = std::make_unique<float[]>(kOutputBytes / sizeof(float));
  write_a_row_too_many(isa, output.get());
}

// The output ends at an inaccessible page. This catches masked stores, which the compiler does not instrument.
void guard(const char* isa) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t usable = (kOutputBytes + page - 1) / page * page;
  void* memory = mmap(nullptr, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  char* end = static_cast<char*>(memory) + usable;
  if (mprotect(end, page, PROT_NONE) != 0) return;
  write_a_row_too_many(isa, reinterpret_cast<float*>(end - kOutputBytes));
}

int undefined(int step) {
  int value = std::numeric_limits<int>::max();
  return value += step;
}

// All parts count in the same place, for long enough that two threads overlap.
void race() {
  int64_t count = 0;
  parallel_for(2, 0, 100, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++count;
    }
  });
  std::printf("%lld\n", static_cast<long long>(count));
}

// Two threads run the same masked convolution into the same memory; the kernels store the same values twice.
void shared(const char* isa) {
  force_isa(isa);
  const SmallMaskedConvolution conv(16, 16, 64, 9, current_isa());
  std::vector<float> output(conv.output().size());
  const auto run = [&] { conv.run_into(output.data(), Fill::kEverywhere, true, 1); };
  const std::jthread other(run);
  run();
}

}  // namespace
}  // namespace sparsesr

int main(int argc, char** argv) {
  const std::string_view bug = argc > 1 ? argv[1] : "";
  if (bug == "overflow" && argc > 2) sparsesr::overflow(argv[2]);
  if (bug == "guard" && argc > 2) sparsesr::guard(argv[2]);
  if (bug == "undefined") std::printf("%d\n", sparsesr::undefined(argc));
  if (bug == "race") sparsesr::race();
  if (bug == "shared" && argc > 2) sparsesr::shared(argv[2]);
  return 0;
}
