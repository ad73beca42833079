"""Reaches a density: moves the thresholds of the masks until the wanted share of pixels is above them.

The sparsity loss of SMSR pushes all pixels alike, and far more steadily than the loss of the picture tells them apart:
led by its weight, short runs end with logits that are all a little above zero, soft masks at the target and hard ones
wide open. A threshold that follows the logits takes the push away. What the losses still decide is the order of the
pixels, which is what masks are for, and no mask can close or open for good.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_SPREAD = 1e-6
# Share of the size of the differences by which a threshold moves in a step, if all pixels are on its wrong side.
# Without a least size, differences that are all alike would come closer and closer to zero and never cross it.
_RATE, _LEAST_SIZE = 0.1, 0.01
_BORDER_PX = 8


def away_from_border(map_B1HW: Tensor) -> Tensor:
    """Without a border of 8 pixels (a quarter of the side, of small maps).

    The zeros around a picture look like an edge. Of whole pictures those pixels are few, but of a training patch half:
    with them, thresholds were such that borders of patches were kept, and of whole pictures next to nothing.
    """
    rows, columns = (min(_BORDER_PX, side // 4) for side in map_B1HW.shape[2:])
    return map_B1HW[:, :, rows : map_B1HW.shape[2] - rows, columns : map_B1HW.shape[3] - columns]


def gap_figures(gap_B1HW: Tensor) -> Tensor:
    """Mean of the differences of logits, mean of their squares, share of positive ones (active pixels): (3,).

    The mean of these over processes is that of the whole batch.
    """
    gap = gap_B1HW.float()
    return torch.stack([gap.mean(), gap.square().mean(), (gap > 0).float().mean()])


def mean_and_spread(figures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, which is positive, from :func:`gap_figures`."""
    mean, square, _ = figures
    return mean, (square - mean.square()).clamp_min(0).sqrt().clamp_min(_LEAST_SPREAD)


def active_share_for(density: float, dense_share: Tensor) -> Tensor:
    """Share of active pixels with which a module keeps ``density``, if ``dense_share`` of its channels are dense."""
    return ((density - dense_share) / (1 - dense_share).clamp_min(1e-6)).clamp(0, 1)


def threshold_shift(figures: Tensor, wanted: Tensor) -> Tensor:
    """What to add to the differences of logits of a module, this step, for ``wanted`` of its pixels to be active.

    ``figures`` are those of :func:`gap_figures`. A small step by what is missing, in proportion to the size of the
    differences (stochastic approximation after Robbins and Monro, 1951, with a constant gain). It settles close to
    where ``wanted`` is the average over many batches; a quantile of each single batch would give a flat patch as many
    active pixels as a textured one. Every module has its own threshold: with a common one, for which the pixels of
    all modules competed, short runs end with one module open and the others closed, and are no better. Returns a
    scalar; waits for no device.
    """
    _, square, active = figures
    return _RATE * (square + _LEAST_SIZE**2).sqrt() * (wanted - active)
