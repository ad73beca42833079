"""Density control by thresholds: shifts mask thresholds until the wanted share of pixels is above them.

SMSR's sparsity loss pushes all pixels equally, and far more steadily than the image loss tells them apart: controlled
by its weight, short runs end with all logits slightly above zero, soft masks at the target and hard masks wide open.
A threshold that follows the logits cancels this push. The losses then only rank the pixels, and no mask can close or
open for good.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_SPREAD = 1e-6
# Step of a threshold relative to the size of the gaps if all pixels are on its wrong side. Without a minimum size,
# gaps that are all equal would approach zero without ever crossing it.
_RATE, _LEAST_SIZE = 0.1, 0.01
_BORDER_PX = 8


def away_from_border(map_B1HW: Tensor) -> Tensor:
    """Crop a border of 8 pixels (at most a quarter of the side).

    The zero padding around an image looks like an edge. Border pixels are few in whole images but half of a training
    patch: with them included, thresholds kept patch borders and almost nothing of whole images.
    """
    rows, columns = (min(_BORDER_PX, side // 4) for side in map_B1HW.shape[2:])
    return map_B1HW[:, :, rows : map_B1HW.shape[2] - rows, columns : map_B1HW.shape[3] - columns]


def gap_figures(gap_B1HW: Tensor) -> Tensor:
    """Mean of the logit gaps, mean of their squares, and share of positive gaps (active pixels): (3,).

    All three are means, so averaging them over processes gives those of the whole batch.
    """
    gap = gap_B1HW.float()
    return torch.stack([gap.mean(), gap.square().mean(), (gap > 0).float().mean()])


def mean_and_spread(figures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (positive) standard deviation from :func:`gap_figures`."""
    mean, square, _ = figures
    return mean, (square - mean.square()).clamp_min(0).sqrt().clamp_min(_LEAST_SPREAD)


def active_share_for(density: float, dense_share: Tensor) -> Tensor:
    """Share of active pixels that gives a module ``density`` if ``dense_share`` of its channels are dense."""
    return ((density - dense_share) / (1 - dense_share).clamp_min(1e-6)).clamp(0, 1)


def threshold_shift(figures: Tensor, wanted: Tensor) -> Tensor:
    """Shift of a module's logit gaps in this step, towards a share ``wanted`` of active pixels.

    ``figures`` come from :func:`gap_figures`. The step is proportional to the missing share and to the size of the
    gaps (stochastic approximation after Robbins and Monro, 1951, with a constant gain). It settles where the average
    over many batches is close to ``wanted``; a quantile of each batch would give a flat patch as many active pixels as
    a textured one. Every module has its own threshold: with a common one, short runs end with one module open and the
    others closed, and are no better. Returns a scalar tensor without waiting for the device.
    """
    _, square, active = figures
    return _RATE * (square + _LEAST_SIZE**2).sqrt() * (wanted - active)
