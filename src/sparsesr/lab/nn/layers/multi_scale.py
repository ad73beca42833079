"""Layers of MSDNet: features at several resolutions, listed from the lowest.

Shape suffixes: B batch, C channels, G new channels, H and W rows and columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.dense_fusion import Bottleneck, ConvUnit, DenseLayer


class DownLayer(nn.Module):
    """Appends new channels to its input, half of them from the features at twice its resolution."""

    def __init__(self, channels_in: int, channels_high: int, growth: int, widths: tuple[int, int]) -> None:
        super().__init__()
        self.conv_down = Bottleneck(channels_high, growth // 2, widths[1], 2)
        self.conv_normal = Bottleneck(channels_in, growth // 2, widths[0])

    def forward(self, feat_BCHW: Tensor, high: Tensor) -> Tensor:
        """(B, C, H, W) and features at twice the resolution -> (B, C + G, H, W)."""
        return torch.cat([feat_BCHW, self.conv_down(high), self.conv_normal(feat_BCHW)], 1)


class MultiScaleLayer(nn.Module):
    """One step of all scales; drops the highest ones if it has fewer scales than its input.

    Args:
        channels: of the input by scale.
        growths: new channels by scale.
        bottlenecks: widths of the bottlenecks by scale.
        scales: of the result.
    """

    def __init__(
        self, channels: Sequence[int], growths: Sequence[int], bottlenecks: Sequence[int], scales: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for index in range(scales):
            high = index + 1
            if high < len(channels):
                widths = bottlenecks[index], bottlenecks[high]
                layer = DownLayer(channels[index], channels[high], growths[index], widths)
            else:
                layer = DenseLayer(channels[index], growths[index], bottlenecks[index])
            self.layers.append(layer)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The features after this layer, by scale."""
        higher = [*features[1:], None]
        return [
            layer(feat_BCHW) if isinstance(layer, DenseLayer) else layer(feat_BCHW, high)
            for layer, feat_BCHW, high in zip(self.layers, features, higher, strict=False)
        ]


class ScaleTransition(nn.Module):
    """Changes the channels at every scale by a 1x1 convolution."""

    def __init__(self, channels_in: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvUnit(*pair, 1) for pair in zip(channels_in, channels, strict=True))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The features with other channels, by scale."""
        return [layer(feat_BCHW) for layer, feat_BCHW in zip(self.layers, features, strict=True)]
