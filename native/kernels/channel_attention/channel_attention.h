// sigmoid(w2 relu(w1 mean + b1) + b2).
#pragma once

#include <cstdint>

namespace sparsesr {

struct ChannelAttentionArgs {
  const float* mean;
  const float* w1;  // [hidden][channels]
  const float* b1;
  const float* w2;  // [channels][hidden]
  const float* b2;
  float* hidden_values;
  float* out;
  int64_t channels;
  int64_t hidden;
};
using ChannelAttentionKernel = void(const ChannelAttentionArgs& args);

}  // namespace sparsesr
