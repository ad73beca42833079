#include "operators/channel_attention.h"

#include <vector>

#include "core/kernel_table.h"

namespace sparsesr {

void run_channel_attention(Isa isa, ChannelAttentionArgs args) {
  std::vector<float> hidden(static_cast<size_t>(args.hidden));
  args.hidden_values = hidden.data();
  kernel_table(isa).channel_attention.run(args);
}

}  // namespace sparsesr
