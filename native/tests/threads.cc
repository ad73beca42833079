// Runs the thread pool and the convolutions from several threads at once; `make sanitize` builds it with
// ThreadSanitizer. Exit status 0 if every result is correct.
#include <atomic>
#include <cstdio>
#include <new>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "core/threads.h"
#include "tests/small_convolution.h"
#include "tests/small_masked_convolution.h"

namespace sparsesr {
namespace {

constexpr int kCallers = 4;
constexpr int kRounds = 30;
constexpr int kMaskedRounds = 6;  // fewer, because each does more work

std::atomic<int> failures{0};

void check(bool is_right, const char* what) {
  if (is_right) return;
  ++failures;
  std::fprintf(stderr, "wrong: %s\n", what);
}

template <typename Body>
void from_several_threads(const Body& body) {
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < kCallers; ++caller) callers.emplace_back([&body, caller] { body(caller); });
}

// Plain integers on purpose: two threads touching the same one, or a caller reading before a worker has finished, is a
// race that the sanitizer reports.
void each_index_is_visited_once() {
  from_several_threads([](int caller) {
    for (int round = 0; round < 10 * kRounds; ++round) {
      const int64_t end = 1 + (caller * 131 + round * 17) % 400;
      std::vector<int> visits(static_cast<size_t>(end));
      parallel_for(2 + round % 4, 0, end, 1 + round % 7, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) ++visits[static_cast<size_t>(i)];
      });
      bool all_once = true;
      for (const int count : visits) all_once &= count == 1;
      check(all_once, "a part was left out or done twice");
    }
  });
}

void calls_inside_calls_finish() {
  from_several_threads([](int) {
    std::vector<int> sums(16);
    parallel_for(3, 0, 16, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        std::vector<int> parts(64);
        parallel_for(3, 0, 64, 4, [&](int64_t b, int64_t e) {
          for (int64_t k = b; k < e; ++k) parts[static_cast<size_t>(k)] = 1;
        });
        for (const int part : parts) sums[static_cast<size_t>(i)] += part;
      }
    });
    bool all_right = true;
    for (const int sum : sums) all_right &= sum == 64;
    check(all_right, "a call inside a call lost work");
  });
}

// The caller's own part, one of a helper, and all of them.
void what_a_part_throws_reaches_the_caller() {
  from_several_threads([](int caller) {
    for (int round = 0; round < kRounds; ++round) {
      const int64_t end = 64;
      const int64_t bad = round % 3 == 0 ? 0 : end - 1;
      std::vector<int> visits(static_cast<size_t>(end));
      bool thrown = false;
      try {
        parallel_for(2 + caller % 3, 0, end, 1, [&](int64_t first, int64_t last) {
          if (round % 3 == 2 || (first <= bad && bad < last)) throw std::bad_alloc();
          for (int64_t i = first; i < last; ++i) ++visits[static_cast<size_t>(i)];
        });
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      check(thrown, "an exception was lost");
    }
  });
}

void convolutions_do_not_depend_on_threads(Isa isa, MapType in) {
  from_several_threads([isa, in](int caller) {
    const int64_t kept = caller == 0 || in == MapType::kBf16 ? 0 : 2;  // balanced weights, fp32 only
    SmallConvolution conv(13, 29 + caller, 32, caller % 2 == 0 ? 64 : 20, caller < 2 ? 3 : 1, isa, in, kept);
    const std::vector<int32_t> pixels = conv.random_pixels(0.4);
    conv.run_rows(1);
    const std::vector<float> dense = conv.output();
    conv.clear();
    conv.run_pixels(pixels, 1);
    const std::vector<float> masked = conv.output();
    for (int round = 0; round < kRounds; ++round) {
      conv.clear();
      conv.run_rows(2 + round % 3);
      check(conv.output() == dense, "conv_rows depends on the threads");
      conv.clear();
      conv.run_pixels(pixels, 2 + round % 3);
      check(conv.output() == masked, "a list of pixels depends on the threads");
    }
  });
}

// The weights and the input are shared; every caller has its own output.
void one_convolution_serves_several_callers(Isa isa, MapType in) {
  SmallConvolution conv(11, 31, 16, 48, 3, isa, in);
  conv.run_rows(1);
  const std::vector<float> expected = conv.output();
  from_several_threads([&](int) {
    for (int round = 0; round < kRounds; ++round) {
      std::vector<float> output(expected.size());
      conv.run_rows_into(output.data(), 3);
      check(output == expected, "callers that share weights disturb each other");
    }
  });
}

constexpr Fill kFills[] = {Fill::kEverywhere, Fill::kBorder, Fill::kNowhere};

// True if these pixels have the same values in two outputs, which start at row -1.
bool are_equal_at(std::span<const int32_t> pixels, const std::vector<float>& output,
                  const std::vector<float>& expected, int64_t row_pixels, int64_t stride) {
  bool all_equal = true;
  for (const int32_t pixel : pixels) {
    const int64_t begin = (pixel + row_pixels) * stride;
    for (int64_t c = begin; c < begin + stride; ++c) {
      all_equal &= output[static_cast<size_t>(c)] == expected[static_cast<size_t>(c)];
    }
  }
  return all_equal;
}

// Every caller grows its own mask between bands, as a network does.
void masked_convolutions_do_not_depend_on_threads(Isa isa, MapType in) {
  from_several_threads([isa, in](int caller) {
    const int64_t channels = caller % 2 == 0 ? 64 : 48;
    const int64_t width = 37 + caller;
    SmallMaskedConvolution conv(21, width, channels, 5 + 7 * caller, isa, in);
    conv.run_everywhere();
    const std::vector<float> everywhere = conv.output();
    for (const Fill fill : kFills) {
      conv.run_in_bands(fill, false, 1);
      const std::vector<float> expected = conv.output();
      check(are_equal_at(conv.mask().active(0, 21), expected, everywhere, width + 2, channels),
            "an active pixel is not what it is without a mask");
      for (int round = 0; round < kMaskedRounds; ++round) {
        conv.run_in_bands(fill, round % 2 == 1, 2 + round % 3);
        check(conv.output() == expected, "masked_conv_rows depends on the threads, or on taps left out");
      }
    }
  });
}

// The mask, the weights and the input are shared; every caller has its own output.
void one_mask_serves_several_callers(Isa isa, MapType in) {
  const SmallMaskedConvolution conv(19, 41, 64, 9, isa, in);
  std::vector<float> expected(conv.output().size());
  conv.run_into(expected.data(), Fill::kBorder, false, 1);
  from_several_threads([&](int caller) {
    for (int round = 0; round < kMaskedRounds; ++round) {
      std::vector<float> output(expected.size());
      conv.run_into(output.data(), Fill::kBorder, caller % 2 == 1, 3);
      check(output == expected, "callers that share a mask disturb each other");
    }
  });
}

void the_instruction_set_may_change_meanwhile() {
  const std::vector<std::string> names = available_isas();
  from_several_threads([&](int caller) {
    for (int round = 0; round < kRounds; ++round) {
      force_isa(names[static_cast<size_t>(caller + round) % names.size()]);
      SmallConvolution conv(3, 9, 4, 8, 3, current_isa());
      conv.run_rows(2);
    }
  });
  force_isa("");
}

}  // namespace
}  // namespace sparsesr

int main() {
  using namespace sparsesr;
  each_index_is_visited_once();
  calls_inside_calls_finish();
  what_a_part_throws_reaches_the_caller();
  for (const std::string& name : available_isas()) {
    force_isa(name);
    const Isa isa = current_isa();
    force_isa("");
    for (const MapType in : {MapType::kF32, MapType::kBf16, MapType::kU8}) {
      convolutions_do_not_depend_on_threads(isa, in);
      one_convolution_serves_several_callers(isa, in);
      masked_convolutions_do_not_depend_on_threads(isa, in);
      one_mask_serves_several_callers(isa, in);
    }
    std::printf("threads: %s is right\n", name.c_str());
  }
  the_instruction_set_may_change_meanwhile();
  return failures == 0 ? 0 : 1;
}
