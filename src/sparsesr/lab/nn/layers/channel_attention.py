"""Channel attention over the whole image (squeeze-and-excitation; RCAN, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from sparsesr.lab.nn.lowering import Lowering


class ChannelAttention(nn.Module):
    """Scales each channel by a weight computed from the mean features of the image.

    The mean covers the *whole* image: a network with this layer is not local, so tiling changes its result.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv_du = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return feat_BCHW * self.conv_du(self.avg_pool(feat_BCHW))

    def lower_vector(self, graph: Lowering, feature: str, name: str) -> str:
        """Add the nodes that compute the channel weights (a vector) of a map."""
        mean = graph.add("global_mean", [feature], f"{name}.mean")
        squeeze, _, expand, _ = cast(list[Any], list(self.conv_du))
        weights = {
            "w1": squeeze.weight.flatten(1),
            "b1": squeeze.bias,
            "w2": expand.weight.flatten(1),
            "b2": expand.bias,
        }
        return graph.add("channel_attention", [mean], f"{name}.ca", weights)

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add three nodes; returns the scaled map."""
        (feature,) = inputs
        return graph.add("scale_add", [feature, self.lower_vector(graph, feature, name)], name)
