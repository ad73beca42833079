"""Parallel 1x3, 3x1 and 3x3 convolutions of an asymmetric layer (ACNet), summed by the caller.

They are linear and have the same zero padding, so after training they equal one 3x3 convolution, into which the
exporter folds them. Training keeps them apart, because three branches train differently from one.
"""

from __future__ import annotations

from torch import nn

KERNELS = {1: (1, 3), 2: (3, 1), 3: (3, 3)}
"""Kernel rows and columns by branch number."""


def branch_name(layer: str, branch: int) -> str:
    """Name of a branch in the authors' checkpoints."""
    return f"{layer}_{branch}"


def add_branches(network: nn.Module, layer: str, channels_in: int, channels: int) -> None:
    """Add the branches of a layer, without biases, to a network."""
    for branch, kernel in KERNELS.items():
        padding = (kernel[0] // 2, kernel[1] // 2)
        conv = nn.Conv2d(channels_in, channels, kernel, padding=padding, bias=False)
        network.add_module(branch_name(layer, branch), nn.Sequential(conv))
