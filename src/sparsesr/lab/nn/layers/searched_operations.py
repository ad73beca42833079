"""Candidate operations of searched cells, all with stride 1, and the up blocks between cells.

Shape suffixes: B batch, C channels, H and W rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.layers.residual_block import BRANCH_GAIN
from sparsesr.lab.nn.layers.resolution import NearestUpsample

_EXPANSION = 4
LEAK = 0.2
"""Slope of leaky ReLU below zero, in enlarging layers."""


def convolution(c_in: int, c_out: int, kernel: int, bias: bool = False) -> nn.Conv2d:
    """A convolution with stride 1 that keeps the size."""
    return nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=bias)


class WhereActive(nn.Module):
    """The result of a convolution, but zero at inactive pixels; without a mask all pixels are active."""

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return feat_BCHW if mask_B1HW is None else feat_BCHW * mask_B1HW


class Activated(nn.Module):
    """``mask * relu(conv(x))``: ``skip`` (1x1) and ``conv3x3`` of TrilevelNAS; with bias, those of residual cells."""

    def __init__(self, c_in: int, c_out: int, keeps_shortcut: bool, kernel: int, bias: bool = False) -> None:
        super().__init__()
        self.conv = convolution(c_in, c_out, kernel, bias)
        self.where_active = WhereActive()

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H, W)."""
        return self.where_active(functional.relu(self.conv(feat_BCHW)), mask_B1HW)


class Linear(nn.Module):
    """``mask * conv(x)``: the end of a residual cell, small at first, so that a trunk starts near the identity."""

    def __init__(self, c_in: int, c_out: int, keeps_shortcut: bool, kernel: int) -> None:
        super().__init__()
        self.conv = convolution(c_in, c_out, kernel, bias=True)
        with torch.no_grad():
            self.conv.weight.mul_(BRANCH_GAIN)
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        self.where_active = WhereActive()

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H, W)."""
        return self.where_active(self.conv(feat_BCHW), mask_B1HW)


class _WithShortcut(nn.Module):
    def __init__(self, c_in: int, c_out: int, keeps_shortcut: bool) -> None:
        super().__init__()
        is_needed = keeps_shortcut or c_in != c_out
        self.shortcut = convolution(c_in, c_out, 1) if is_needed else nn.Identity()


class Residual(_WithShortcut):
    """``relu(mask * conv3x3(mask * relu(conv3x3(x))) + s(x))``: the shortcut is computed everywhere."""

    def __init__(self, c_in: int, c_out: int, keeps_shortcut: bool) -> None:
        super().__init__(c_in, c_out, keeps_shortcut)
        self.first = convolution(c_in, c_out, 3)
        self.second = convolution(c_out, c_out, 3)
        self.where_active = WhereActive()

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H, W)."""
        hidden_BCHW = self.where_active(functional.relu(self.first(feat_BCHW)), mask_B1HW)
        branch_BCHW = self.where_active(self.second(hidden_BCHW), mask_B1HW)
        return functional.relu(branch_BCHW + self.shortcut(feat_BCHW))


class DepthwiseSeparable(_WithShortcut):
    """``dwsblock``: 1x1 to 4 c_in, ReLU, depthwise 3x3, ReLU, 1x1 to c_out; plus s(x); ReLU. It ignores masks."""

    def __init__(self, c_in: int, c_out: int, keeps_shortcut: bool) -> None:
        super().__init__(c_in, c_out, keeps_shortcut)
        hidden = _EXPANSION * c_in
        self.expand = convolution(c_in, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False)
        self.project = convolution(hidden, c_out, 1)

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H, W)."""
        hidden_BCHW = functional.relu(self.depthwise(functional.relu(self.expand(feat_BCHW))))
        return functional.relu(self.project(hidden_BCHW) + self.shortcut(feat_BCHW))


OPERATIONS: Mapping[str, Callable[[int, int, bool], nn.Module]] = {
    "skip": partial(Activated, kernel=1),
    "conv3x3": partial(Activated, kernel=3),
    "residual": Residual,
    "dwsblock": DepthwiseSeparable,
    "relu3x3": partial(Activated, kernel=3, bias=True),
    "relu1x1": partial(Activated, kernel=1, bias=True),
    "linear3x3": partial(Linear, kernel=3),
    "linear1x1": partial(Linear, kernel=1),
}
"""By name: functions of input width, output width, and whether a shortcut is a 1x1 convolution even between equal
widths."""


class Enlarging(nn.Module):
    """Up block that doubles the size: nearest, 3x3 convolution, leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nearest = NearestUpsample(2)
        self.conv = convolution(channels, channels, 3, bias=True)
        self.activation = nn.LeakyReLU(LEAK)

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2 H, 2 W)."""
        return self.activation(self.conv(self.nearest(feat_BCHW)))


def up_block(channels: int, enlarges: bool) -> nn.Module:
    """An up block of TrilevelNAS: family A's doubles the size, family B's is a 3x3 convolution without activation."""
    return Enlarging(channels) if enlarges else convolution(channels, channels, 3, bias=True)
