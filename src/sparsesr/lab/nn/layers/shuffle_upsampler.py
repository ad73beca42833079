"""Upscaling of feature maps by pixel shuffle, without activations."""

from __future__ import annotations

from torch import nn


class ShuffleUpsampler(nn.Sequential):
    """(B, C, H, W) -> (B, C, scale H, scale W): one step for x2 and x3, two x2 steps for x4."""

    def __init__(self, channels: int, scale: int) -> None:
        steps = {2: (2,), 3: (3,), 4: (2, 2)}[scale]
        layers: list[nn.Module] = []
        for step in steps:
            layers += [nn.Conv2d(channels, channels * step**2, 3, padding=1), nn.PixelShuffle(step)]
        super().__init__(*layers)
