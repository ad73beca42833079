"""The residual block of Skim: two 3x3 convolutions; inactive pixels keep their features.

Shape suffixes: B batch, C channels, H and W rows and columns, 1 a broadcast axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.lowering import Lowering

BRANCH_GAIN = 0.1
TRUNK_RANGE = 16.0
"""Trunks compute on images in 0..16. On 0..1 their features are as small as a few steps of the biases, and training
at a high rate drives whole layers below zero, where ReLU has no gradient."""


class ResidualBlock(nn.Module):
    """``x + mask * b(mask * relu(a(x)))``; without a mask all pixels are active.

    The branch's last weights are initialised at a tenth of the usual size, so that a trunk starts near the identity;
    this converges faster.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.b.weight.mul_(BRANCH_GAIN)
            nn.init.zeros_(self.b.bias)  # type: ignore[arg-type]

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        hidden_BCHW = functional.relu(self.a(feat_BCHW))
        if mask_B1HW is None:
            return feat_BCHW + self.b(hidden_BCHW)
        return feat_BCHW + self.b(hidden_BCHW * mask_B1HW) * mask_B1HW

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add the block's nodes; ``inputs`` are the features and, if masked, the mask. Returns the output's name."""
        feature, *mask = inputs
        if not mask:
            hidden = graph.add_conv(self.a, [feature], f"{name}.a", activation="relu")
            weights = {"weight": self.b.weight, "bias": self.b.bias}
            return graph.add("conv2d", [hidden, feature], name, weights, kernel=3, residual=True)
        channels = self.a.in_channels
        convolution = {"kernel": 3, "dense_in": [channels], "dense_out": 0}
        weights = [{"weight": conv.weight, "bias": conv.bias} for conv in (self.a, self.b)]
        hidden = graph.add(
            "masked_conv2d", [*mask, feature], f"{name}.a", weights[0], activation="relu", **convolution
        )
        convolution["dense_in"] = [0]
        branch = graph.add("masked_conv2d", [*mask, hidden], f"{name}.b", weights[1], **convolution)
        return graph.add("add", [feature, branch], name)
