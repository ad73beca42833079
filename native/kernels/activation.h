// Activations that operations apply to their sums.
#pragma once

namespace sparsesr {

enum class Activation : int { kNone, kRelu, kLeakyRelu };

}  // namespace sparsesr
