"""Convolution without bias, followed by a ReLU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.lowering import Lowering


class BiasFreeConv(nn.Module):
    """``relu(conv(x))`` of the same size, without bias; ESRT fuses branches and ends its skip branch with it."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), not negative."""
        return functional.relu(self.conv(feat_BCHW))

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add one node; several inputs are concatenated."""
        return graph.add_conv(self.conv, inputs, name, activation="relu")

    def lower_weighted(
        self, graph: Lowering, inputs: Sequence[str], factors: Sequence[Tensor], name: str
    ) -> str:
        """Add one node over inputs of equal width, each multiplied by a factor that is folded into the weights."""
        width = self.conv.in_channels // len(inputs)
        columns = torch.cat([factor.expand(width) for factor in factors])
        weight = self.conv.weight * columns[:, None, None]
        kernel = self.conv.kernel_size[0]
        return graph.add("conv2d", inputs, name, {"weight": weight}, kernel=kernel, activation="relu")
