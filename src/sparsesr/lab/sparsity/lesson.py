"""The lesson: an auxiliary loss that teaches mask heads where interpolation fails, from their input features.

Untrained heads rank pixels at random, and the network adapts to that order faster than the order improves. The lesson
needs no masks; after a few hundred steps masks can start on edges and texture. It continues while masks are trained:
features drift, and heads trained by the image loss alone forget the ranking.

Shape suffixes: B batch, H and W rows and columns of the LR image, Y and X those of the HR image, 3 colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

# Floor of the errors on 0..1: half a step of 8 bits.
_LEAST_ERROR = 0.002
# Logit gap per unit of the log error, whose spread is about 1; that of the difference of Gumbel noises is 1.8.
_SHARPNESS = 2.0


def interpolation_log_error_B1HW(
    lr_B3HW: Tensor, hr_B3YX: Tensor, upsample: Callable[[Tensor], Tensor]
) -> Tensor:
    """Logarithm of the mean absolute error of ``upsample`` around each LR pixel; images in 0..1."""
    scale = hr_B3YX.shape[2] // lr_B3HW.shape[2]
    error_B1YX = (hr_B3YX - upsample(lr_B3HW)).abs().mean(1, keepdim=True)
    error_B1HW = functional.avg_pool2d(error_B1YX, scale)
    around_B1HW = functional.avg_pool2d(error_B1HW, 3, stride=1, padding=1, count_include_pad=False)
    return torch.log(around_B1HW + _LEAST_ERROR)


def wanted_gap_B1HW(log_error_B1HW: Tensor) -> Tensor:
    """Target logit gaps up to an offset per module (its level), which sets how many pixels are kept."""
    return _SHARPNESS * log_error_B1HW


def lesson_loss(gaps_B1HW: Sequence[Tensor], log_error_B1HW: Tensor, levels: Tensor) -> Tensor:
    """Mean squared error of each module's logit gaps against :func:`wanted_gap_B1HW` plus the module's level."""
    wanted_B1HW = wanted_gap_B1HW(log_error_B1HW)
    return torch.stack(
        [functional.mse_loss(gap, wanted_B1HW + level) for gap, level in zip(gaps_B1HW, levels, strict=True)]
    ).mean()
