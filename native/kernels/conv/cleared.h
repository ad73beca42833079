// Channels that a block clears. Internal linkage, because including files differ in their instruction sets.
#pragma once

#include "kernels/conv/conv.h"

namespace sparsesr {
namespace {

// End of the channels that a block stores or clears: its own as far as `out` has them and, for the last block, those up
// to ConvArgs::clear_end.
inline int64_t written_end(const ConvArgs& args, const ConvBlock& block) {
  const int64_t of_block = block.first + block.width;
  const int64_t own = of_block < args.out.stride ? of_block : args.out.stride;
  return block.is_last && args.clear_end > own ? args.clear_end : own;
}

}  // namespace
}  // namespace sparsesr
