// Fixed convolution runs whose instructions .ci/instruction_counts.py counts under valgrind.
//   instruction_counts compiler | [step] RUN INSTRUCTION_SET
// Only instructions inside `sparsesr_measured_run` count. Everything is fixed: sizes, seeds, one thread.
// `step` counts without valgrind, which does not support AVX-512: it single-steps a child process through the run on
// the processor itself.
#include <csignal>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#if defined(__linux__)
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "tests/small_convolution.h"

namespace {

struct Size {
  int64_t height;
  int64_t width;
};
constexpr Size kUnderValgrind{24, 40};
constexpr Size kStepped{6, 12};  // one step costs microseconds

struct Run {
  std::string_view name;
  int64_t c_in;
  int64_t c_out;
  int kernel;
  double density;  // 0: all pixels, row by row
  int64_t kept = 0;  // weights of every 8 inputs; 0: dense
  sparsesr::MapType in = sparsesr::MapType::kF32;
};

constexpr Run kRuns[] = {
    {"conv3x3_64_64_rows", 64, 64, 3, 0.0},
    {"conv3x3_64_64_list", 64, 64, 3, 0.4},
    {"conv1x1_64_64_rows", 64, 64, 1, 0.0},
    {"conv3x3_3_64_rows", 3, 64, 3, 0.0},
    {"conv3x3_64_12_rows", 64, 12, 3, 0.0},
    {"conv3x3_24_9_list", 24, 9, 3, 0.6},
    {"balanced3x3_64_64_rows", 64, 64, 3, 0.0, 2},
    {"balanced3x3_64_64_list", 64, 64, 3, 0.4, 2},
    {"int8_conv3x3_64_64_rows", 64, 64, 3, 0.0, 0, sparsesr::MapType::kU8},
    {"int8_conv3x3_32_32_rows", 32, 32, 3, 0.0, 0, sparsesr::MapType::kU8},
};

const Run* find_run(std::string_view name) {
  for (const Run& run : kRuns) {
    if (run.name == name) return &run;
  }
  return nullptr;
}

}  // namespace

extern "C" __attribute__((noinline)) void sparsesr_measured_run(sparsesr::SmallConvolution& conv,
                                                                 const std::vector<int32_t>* pixels) {
  if (pixels == nullptr) {
    conv.run_rows(1);
  } else {
    conv.run_pixels(*pixels, 1);
  }
}

namespace {

constexpr int kMark = SIGTERM;  // stops a traced process instead of ending it

void measure(const Run& run, Size size, bool stops) {
  sparsesr::SmallConvolution conv(size.height, size.width, run.c_in, run.c_out, run.kernel,
                                  sparsesr::current_isa(), run.in, run.kept);
  const std::vector<int32_t> pixels = conv.random_pixels(run.density);
  if (stops) std::raise(kMark);
  sparsesr_measured_run(conv, run.density == 0.0 ? nullptr : &pixels);
  if (stops) std::raise(kMark);
}

int usage() {
  std::fprintf(stderr, "usage: instruction_counts compiler | [step] RUN INSTRUCTION_SET\nruns:");
  for (const Run& run : kRuns) std::fprintf(stderr, " %s", run.name.data());
  std::fprintf(stderr, "\n");
  return 2;
}

#if defined(__linux__)
// Instructions between the child's two marks; -1 if it did not reach them. Unrelated signals, such as one that pauses
// the child, are dropped.
long long count_steps(pid_t child) {
  long long steps = 0;
  for (int marks = 0; marks < 2;) {
    int status = 0;
    if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status) || WSTOPSIG(status) == SIGSEGV) return -1;
    if (WSTOPSIG(status) == kMark) ++marks;
    if (WSTOPSIG(status) == SIGTRAP) ++steps;
    if (ptrace(marks == 0 ? PTRACE_CONT : PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) return -1;
  }
  return steps;
}

int step(const Run& run) {
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
    measure(run, kStepped, true);
    _exit(0);
  }
  const long long steps = child < 0 ? -1 : count_steps(child);
  if (child > 0) kill(child, SIGKILL);
  if (steps < 0) {
    std::fprintf(stderr, "processes cannot be traced here\n");
    return 1;
  }
  std::printf("%lld\n", steps);
  return 0;
}
#else
int step(const Run&) {
  std::fprintf(stderr, "stepping is done on Linux only\n");
  return 1;
}
#endif

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (arguments == std::vector<std::string_view>{"compiler"}) {
#if defined(__clang__)
    std::printf("Clang %s\n", __clang_version__);
#else
    std::printf("GCC %s\n", __VERSION__);
#endif
    return 0;
  }
  const bool steps = !arguments.empty() && arguments[0] == "step";
  if (steps) arguments.erase(arguments.begin());
  const Run* run = arguments.size() == 2 ? find_run(arguments[0]) : nullptr;
  if (run == nullptr) return usage();
  try {
    sparsesr::force_isa(arguments[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  if (steps) return step(*run);
  measure(*run, kUnderValgrind, false);
  return 0;
}
