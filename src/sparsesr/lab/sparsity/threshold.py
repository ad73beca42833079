"""Reaches a density: moves the thresholds of the masks until the wanted share of pixels is above them.

The sparsity loss of SMSR pushes all pixels alike, and far more steadily than the loss of the picture tells them apart:
led by its weight, short runs end with logits that are all a little above zero, soft masks at the target and hard ones
wide open. A threshold that follows the logits takes the push away. What the gradient still decides is the order of the
pixels, which is what masks are for, and no mask can close or open for good.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MOST_VALUES = 1 << 16
_LEAST_SPREAD = 1e-6


def gap_spread(gap_B1HW: Tensor) -> Tensor:
    """Standard deviation of the differences of logits, a positive scalar."""
    return gap_B1HW.float().std().clamp_min(_LEAST_SPREAD)


def threshold_shift(gap_B1HW: Tensor, density: Tensor, dense_share: Tensor) -> Tensor:
    """What to add to the logit differences of a module so that it keeps ``density`` of its channels and pixels.

    ``dense_share`` of its channels are kept at every pixel. Every module has its own threshold: with a common one, for
    which the pixels of all modules competed, short runs end with one module open and the others closed, and are no
    better. Returns a scalar; waits for no device.
    """
    active_share = ((density - dense_share) / (1 - dense_share).clamp_min(1e-6)).clamp(0, 1)
    return -torch.quantile(_sample(gap_B1HW), 1 - active_share)


def _sample(gap_B1HW: Tensor) -> Tensor:
    values = gap_B1HW.float().flatten()
    return values[:: len(values) // _MOST_VALUES + 1]
