"""Reaches a density: moves the thresholds of the masks until the wanted share of pixels is above them.

The sparsity loss of SMSR pushes all pixels alike, and far more steadily than the loss of the picture tells them apart:
led by its weight, short runs end with logits that are all a little above zero, soft masks at the target and hard ones
wide open. A threshold that follows the logits takes the push away. What the gradient still decides is the order of the
pixels, which is what masks are for, and no mask can close or open for good.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_SPREAD = 1e-6
# Where shares are counted, in standard deviations from the mean.
_REACH, _BINS = 4.0, 256


def gap_moments(gap_B1HW: Tensor) -> Tensor:
    """Means of the differences of logits and of their squares; the mean of these over processes is the batch's."""
    gap = gap_B1HW.double()
    return torch.stack([gap.mean(), gap.square().mean()])


def mean_and_spread(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, which is positive, from :func:`gap_moments`."""
    mean, square = moments
    spread = (square - mean.square()).clamp_min(0).sqrt().clamp_min(_LEAST_SPREAD)
    return mean.float(), spread.float()


def shares_below(gap_B1HW: Tensor, moments: Tensor) -> Tensor:
    """The distribution of logit differences: shares of the pixels below evenly spaced values.

    ``moments`` (:func:`gap_moments`) are those of the whole batch: the values lie around its mean, as far apart as its
    spread demands. The mean of the shares over processes is that of the whole batch, so that n processes move
    thresholds as one would.
    """
    mean, spread = mean_and_spread(moments)
    places = ((gap_B1HW.float() - mean) / spread).clamp(-_REACH, _REACH)
    counts = torch.histc(places, _BINS, -_REACH, _REACH)
    return counts.cumsum(0) / counts.sum()


def threshold_shift(below: Tensor, moments: Tensor, density: Tensor, dense_share: Tensor) -> Tensor:
    """What to add to the logit differences of a module so that it keeps ``density`` of its channels and pixels.

    ``below`` is their distribution (:func:`shares_below`); ``dense_share`` of the channels are kept at every pixel.
    Every module has its own threshold: with a common one, for which the pixels of all modules competed, short runs
    end with one module open and the others closed, and are no better. Returns a scalar; waits for no device.
    """
    active_share = ((density - dense_share) / (1 - dense_share).clamp_min(1e-6)).clamp(0, 1)
    wanted = 1 - active_share
    upper = torch.searchsorted(below, wanted).clamp_max(_BINS - 1)
    at_upper, at_lower = below[upper], torch.where(upper > 0, below[(upper - 1).clamp_min(0)], 0.0)
    within = ((wanted - at_lower) / (at_upper - at_lower).clamp_min(1e-9)).clamp(0, 1)
    mean, spread = mean_and_spread(moments)
    return -(mean + spread * ((upper + within) * (2 * _REACH / _BINS) - _REACH))
