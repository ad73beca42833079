"""Skim: a plain residual trunk with one mask per image, built for an engine that skips pixels.

SMSR (CVPR 2021) learns which pixels matter. This network keeps that and drops what costs an engine time: five mask
heads, whole-image attention, concatenations. Inactive pixels keep their features, so a block costs nothing there;
no operation needs the whole image, so bands, tiles and frames are exact.

Shape suffixes: B batch, C channels, H and W rows and columns of the LR image, 1 a broadcast axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.layers.pictures import BicubicUpsample, MeanShift

_BRANCH_GAIN = 0.1


@dataclass(frozen=True)
class SkimConfig:
    """Hyper-parameters. ``channels`` should be a multiple of 16, better of 32: what vector and tile units compute."""

    scale: int = 2
    channels: int = 64
    blocks: int = 8

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"scale must be 2, 3 or 4, not {self.scale}")
        if min(self.channels, self.blocks) < 1:
            raise ValueError(f"all sizes must be at least 1: {self}")


class ResidualBlock(nn.Module):
    """``x + b(relu(a(x)))`` with two 3x3 convolutions.

    A branch starts at a tenth of the usual size: the trunk starts near the identity, which converges faster.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.b.weight.mul_(_BRANCH_GAIN)
            nn.init.zeros_(self.b.bias)  # type: ignore[arg-type]

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return feat_BCHW + self.b(functional.relu(self.a(feat_BCHW)))


class SkimTrunk(nn.Module):
    """The network without masks. Input (B, 3, H, W) in 0..1, output scale times larger, not clipped."""

    def __init__(self, config: SkimConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SkimConfig()
        self.sub_mean = MeanShift(1.0, -1)
        self.add_mean = MeanShift(1.0, +1)
        self.head = nn.Conv2d(3, config.channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(config.channels) for _ in range(config.blocks)))
        self.tail = nn.Sequential(
            nn.Conv2d(config.channels, 3 * config.scale**2, 3, padding=1), nn.PixelShuffle(config.scale)
        )
        self.upsample = BicubicUpsample(config.scale)
        with torch.no_grad():  # starts near bicubic
            self.tail[0].weight.mul_(_BRANCH_GAIN)  # type: ignore[operator]

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Upscale a batch."""
        x_B3HW = self.sub_mean(image_B3HW)
        feat_BCHW = self.body(self.head(x_B3HW))
        return self.add_mean(self.tail(feat_BCHW) + self.upsample(x_B3HW))
