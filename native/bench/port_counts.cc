// Cycles of the instructions that bound convolutions with balanced weights, for docs/balanced.md:
//   c++ -O1 -mavx512f native/bench/port_counts.cc -o port_counts && ./port_counts
// Twelve independent 512-bit operations per loop; a cycle is the time of an addition that waits for the one before.
// Needs AVX-512 with BF16, VNNI and VBMI.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iterator>

namespace {

alignas(4096) char memory[8192];

constexpr long kLoops = 5000;
constexpr int kRounds = 200;

// Time of this thread, in seconds.
double now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

#define EACH "0,1,2,3,4,5,6,7,8,9,10,11"
#define SUMS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11"
#define LOOP(name, body)                                                              \
  void name() {                                                                       \
    long loops = kLoops;                                                              \
    asm volatile("vpxord %%zmm29, %%zmm29, %%zmm29\n vpxord %%zmm30, %%zmm30, %%zmm30\n" \
                 "vpxord %%zmm31, %%zmm31, %%zmm31\n"                                 \
                 ".irp i," EACH "\n vpxord %%zmm\\i, %%zmm\\i, %%zmm\\i\n .endr\n"    \
                 ".p2align 6\n 1:\n" body "\n dec %0\n jnz 1b\n"                      \
                 : "+r"(loops)                                                        \
                 : "r"(memory)                                                        \
                 : SUMS, "xmm12", "xmm28", "xmm29", "xmm30", "xmm31", "memory", "cc");         \
  }
#define PERMUTE "vpermps %%zmm31, %%zmm30, %%zmm12\n"
#define ADD(sum) "vfmadd231ps %%zmm12, %%zmm29, %%zmm" sum "\n"
#define LOADED "vmovups 64*\\i(%1), %%zmm12\n vpermps %%zmm12, %%zmm30, %%zmm28\n"
#define ADD_FIRST "vfmadd231ps %%zmm28, %%zmm29, %%zmm\\i\n"
#define PERMUTE_AGAIN "vpermps %%zmm12, %%zmm31, %%zmm12\n"

constexpr int kAdditions = 100;
void additions() {
  long loops = kLoops;
  long sum = 0;
  asm volatile("1:\n .rept 100\n lea 1(%1), %1\n .endr\n dec %0\n jnz 1b" : "+r"(loops), "+r"(sum) : : "cc");
}

LOOP(multiply_adds, ".irp i," EACH "\n vfmadd231ps %%zmm31, %%zmm29, %%zmm\\i\n .endr")
LOOP(permutations, ".rept 12\n" PERMUTE ".endr")
LOOP(pairs, ".irp i," EACH "\n" PERMUTE ADD("\\i") ".endr")
LOOP(two_in_turns, ".irp i,0,1,2,3,4,5\n" LOADED ADD_FIRST PERMUTE_AGAIN ADD("\\i") ".endr")
LOOP(two_and_two, ".irp i,0,1,2,3,4,5\n" LOADED PERMUTE_AGAIN ADD_FIRST ADD("\\i") ".endr")
LOOP(pairs_from_memory, ".irp i," EACH "\n vpermps 64*\\i(%1), %%zmm30, %%zmm12\n" ADD("\\i") ".endr")
LOOP(shared_by_two, PERMUTE ADD("0") ADD("1") PERMUTE ADD("2") ADD("3") PERMUTE ADD("4") ADD("5") PERMUTE ADD("6")
         ADD("7") PERMUTE ADD("8") ADD("9") PERMUTE ADD("10") ADD("11"))
LOOP(shared_by_four, PERMUTE ADD("0") ADD("1") ADD("2") ADD("3") PERMUTE ADD("4") ADD("5") ADD("6") ADD("7")
         PERMUTE ADD("8") ADD("9") ADD("10") ADD("11"))
LOOP(from_memory, ".irp i," EACH "\n vfmadd231ps 64*\\i(%1), %%zmm29, %%zmm\\i\n .endr")
LOOP(from_split_lines, ".irp i," EACH "\n vfmadd231ps 64*\\i+4(%1), %%zmm29, %%zmm\\i\n .endr")
LOOP(multiply_adds_avx2, ".irp i," EACH "\n vfmadd231ps %%ymm31, %%ymm29, %%ymm\\i\n .endr")
LOOP(pairs_avx2, ".irp i," EACH "\n vpermps %%ymm31, %%ymm30, %%ymm12\n vfmadd231ps %%ymm12, %%ymm29, %%ymm\\i\n .endr")
LOOP(bf16_products, ".irp i," EACH "\n vdpbf16ps %%zmm31, %%zmm29, %%zmm\\i\n .endr")
LOOP(bf16_pairs, ".irp i," EACH "\n vpermw %%zmm31, %%zmm30, %%zmm12\n vdpbf16ps %%zmm12, %%zmm29, %%zmm\\i\n .endr")
LOOP(int8_products, ".irp i," EACH "\n vpdpbusd %%zmm31, %%zmm29, %%zmm\\i\n .endr")
LOOP(int8_pairs, ".irp i," EACH "\n vpermb %%zmm31, %%zmm30, %%zmm12\n vpdpbusd %%zmm12, %%zmm29, %%zmm\\i\n .endr")

struct Measured {
  const char* name;
  void (*run)();
};

constexpr Measured kLoopsOf12[] = {
    {"fp32 multiply-adds", multiply_adds},
    {"permutations", permutations},
    {"a permutation for each multiply-add", pairs},
    {"two of a loaded vector, in turns", two_in_turns},
    {"two of a loaded vector, then two", two_and_two},
    {"a permutation of memory for each", pairs_from_memory},
    {"a permutation for two", shared_by_two},
    {"a permutation for four", shared_by_four},
    {"multiply-adds from aligned memory", from_memory},
    {"multiply-adds from two cache lines", from_split_lines},
    {"256 bits: multiply-adds", multiply_adds_avx2},
    {"256 bits: a permutation for each", pairs_avx2},
    {"bf16 products", bf16_products},
    {"bf16: a permutation for each", bf16_pairs},
    {"int8 products", int8_products},
    {"int8: a permutation for each", int8_pairs},
};

// Seconds of a run.
double timed(void (*run)()) {
  const double start = now();
  run();
  return now() - start;
}

}  // namespace

int main() {
  double best[std::size(kLoopsOf12)];
  std::fill(std::begin(best), std::end(best), 1e9);
  double cycle = 1e9;  // of all loops
  for (int round = 0; round < kRounds; ++round) {
    cycle = std::min(cycle, timed(additions) / kAdditions);
    for (size_t i = 0; i < std::size(kLoopsOf12); ++i) best[i] = std::min(best[i], timed(kLoopsOf12[i].run));
  }
  std::printf("%.2f GHz\n", 1e-9 * kLoops / cycle);
  for (size_t i = 0; i < std::size(kLoopsOf12); ++i) {
    std::printf("%-38s %5.1f cycles for 12\n", kLoopsOf12[i].name, best[i] / cycle);
  }
}
