"""The three parallel convolutions of an asymmetric layer (ACNet): 1x3, 3x1 and 3x3, summed by the caller.

They are linear and see the same zeros beyond the border, so that after training they are one 3x3 convolution: the
exporter folds them. In training they are kept apart, for three branches train otherwise than one.
"""

from __future__ import annotations

from torch import nn

KERNELS = {1: (1, 3), 2: (3, 1), 3: (3, 3)}
"""Rows and columns of a branch by its number."""


def branch_name(layer: str, branch: int) -> str:
    """Name of a branch, as in the authors' checkpoints."""
    return f"{layer}_{branch}"


def add_branches(network: nn.Module, layer: str, channels_in: int, channels: int) -> None:
    """Give a network the branches of a layer, without biases."""
    for branch, kernel in KERNELS.items():
        padding = (kernel[0] // 2, kernel[1] // 2)
        conv = nn.Conv2d(channels_in, channels, kernel, padding=padding, bias=False)
        network.add_module(branch_name(layer, branch), nn.Sequential(conv))
