// Channel attention, including the working memory that its kernel needs.
#pragma once

#include "core/instruction_set.h"
#include "kernels/channel_attention/channel_attention.h"

namespace sparsesr {

// Sets hidden_values of `args` itself.
void run_channel_attention(Isa isa, ChannelAttentionArgs args);

}  // namespace sparsesr
