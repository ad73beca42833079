"""The lesson: an auxiliary loss that teaches mask heads where interpolation fails, from the features that they see.

Fresh heads order pixels at random, and the network adapts to that order faster than the order improves. The lesson
needs no masks; after some hundred steps these can begin on edges and texture. It goes on while masks are trained:
features drift, and heads that have only the loss of the picture lose what they knew.

Shape suffixes: B batch, H and W rows and columns of the LR picture, Y and X those of the HR picture, 3 colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

# Errors below this (of 0..1, half a step of 8 bits) are all alike.
_LEAST_ERROR = 0.002
# Differences of logits per unit of the logarithm. Its spread is about 1, and the noise that is drawn with logits 1.8.
_SHARPNESS = 2.0


def interpolation_log_error_B1HW(
    lr_B3HW: Tensor, hr_B3YX: Tensor, upsample: Callable[[Tensor], Tensor]
) -> Tensor:
    """Logarithm of the mean error of ``upsample`` around each LR pixel; pictures in 0..1."""
    scale = hr_B3YX.shape[2] // lr_B3HW.shape[2]
    error_B1YX = (hr_B3YX - upsample(lr_B3HW)).abs().mean(1, keepdim=True)
    error_B1HW = functional.avg_pool2d(error_B1YX, scale)
    around_B1HW = functional.avg_pool2d(error_B1HW, 3, stride=1, padding=1, count_include_pad=False)
    return torch.log(around_B1HW + _LEAST_ERROR)


def wanted_gap_B1HW(log_error_B1HW: Tensor) -> Tensor:
    """What differences of logits should be, but for a level of each module, which sets how many pixels are kept."""
    return _SHARPNESS * log_error_B1HW


def lesson_loss(gaps_B1HW: Sequence[Tensor], log_error_B1HW: Tensor, levels: Tensor) -> Tensor:
    """Mean squared distance of each module's differences of logits from :func:`wanted_gap_B1HW` plus its level."""
    wanted_B1HW = wanted_gap_B1HW(log_error_B1HW)
    return torch.stack(
        [functional.mse_loss(gap, wanted_B1HW + level) for gap, level in zip(gaps_B1HW, levels, strict=True)]
    ).mean()
