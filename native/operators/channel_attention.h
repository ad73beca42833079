// Channel attention with the working memory that its kernel needs.
#pragma once

#include "core/instruction_set.h"
#include "kernels/channel_attention/channel_attention.h"

namespace sparsesr {

// `args` without hidden_values.
void run_channel_attention(Isa isa, ChannelAttentionArgs args);

}  // namespace sparsesr
