"""Blocks of RANet: dense blocks, and fusion blocks that also read the features of a lower resolution.

Shape suffixes: B batch, C channels, G new channels, H and W rows and columns, h and w those of the result.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

LOW_SHARE = 0.25
"""Share of a fusion layer's new channels that come from the lower resolution, rounded down ("compress")."""
REDUCTION = 0.5


class ConvUnit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels, H / stride, W / stride)."""
        return self.net(feat_BCHW)


class Bottleneck(nn.Module):
    """1x1 convolution to at most ``width`` times the new channels, then 3x3; batch norm and ReLU after both."""

    def __init__(self, channels_in: int, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        inner = min(channels_in, width * channels)
        self.net = nn.Sequential(
            *ConvUnit(channels_in, inner, 1).net, *ConvUnit(inner, channels, 3, stride).net
        )

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels, H / stride, W / stride)."""
        return self.net(feat_BCHW)


def resized(feat_BCHW: Tensor, size: torch.Size) -> Tensor:
    """Bilinear resizing to (h, w) with aligned corners."""
    if feat_BCHW.shape[-2:] == size:
        return feat_BCHW
    return functional.interpolate(feat_BCHW, size=tuple(size), mode="bilinear", align_corners=True)


class DenseLayer(nn.Module):
    """Appends new channels to its input."""

    def __init__(self, channels_in: int, growth: int, width: int) -> None:
        super().__init__()
        self.conv_normal = Bottleneck(channels_in, growth, width)

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C + G, H, W)."""
        return torch.cat([feat_BCHW, self.conv_normal(feat_BCHW)], 1)


class FusionLayer(nn.Module):
    """Appends new channels, a quarter of them from the lower resolution; with ``stride`` 2 the input is resized too."""

    def __init__(
        self, channels_in: int, channels_low: int, growth: int, widths: tuple[int, int], stride: int
    ) -> None:
        super().__init__()
        from_low = int(growth * LOW_SHARE)
        self.conv_normal = Bottleneck(channels_in, growth - from_low, widths[0], stride)
        self.conv_up = Bottleneck(channels_low, from_low, widths[1])

    def forward(self, feat_BCHW: Tensor, low_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) and features of the lower resolution -> (B, C + G, h, w)."""
        new_BGhw = self.conv_normal(feat_BCHW)
        size = new_BGhw.shape[-2:]
        return torch.cat([resized(feat_BCHW, size), resized(self.conv_up(low_BCHW), size), new_BGhw], 1)


class DenseBlock(nn.Module):
    """Dense layers, and a transition if wanted. ``widths`` are of the bottlenecks; ``channels_out`` results."""

    def __init__(self, channels_in: int, layers: int, growth: int, width: int, has_transition: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(channels_in + index * growth, growth, width) for index in range(layers)
        )
        #: Channels after each layer, the input's first.
        self.channels = [channels_in + index * growth for index in range(layers + 1)]
        self.channels_out = self.channels[-1]
        self.trans: nn.Module | None = None
        if has_transition:
            self.trans, self.channels_out = _transition(self.channels_out)

    def forward(self, feat_BCHW: Tensor, low: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """The result, and the features before the first and after each layer, for the next sub-network."""
        features = [feat_BCHW]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return (features[-1] if self.trans is None else self.trans(features[-1])), features


class FusionBlock(nn.Module):
    """Fusion layers beside those of the lower resolution, whose last features are appended; then a transition."""

    def __init__(
        self,
        channels_in: int,
        channels_low: Sequence[int],
        growth: int,
        widths: tuple[int, int],
        *,
        is_down: bool,
        has_transition: bool,
    ) -> None:
        super().__init__()
        layers = len(channels_low) - 1
        self.layers = nn.ModuleList(
            FusionLayer(
                channels_in + index * growth,
                channels_low[index],
                growth,
                widths,
                stride=2 if is_down and index == layers - 1 else 1,
            )
            for index in range(layers)
        )
        self.channels = [channels_in + index * growth for index in range(layers + 1)]
        appended = int(self.channels[-1] * LOW_SHARE)
        self.conv_last = ConvUnit(channels_low[-1], appended, 1)
        self.channels_out = self.channels[-1] + appended
        self.trans: nn.Module | None = None
        if has_transition:
            self.trans, self.channels_out = _transition(self.channels_out)

    def forward(self, feat_BCHW: Tensor, low: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """As :class:`DenseBlock`; ``low`` are the features of the same block of the sub-network before."""
        features = [feat_BCHW]
        for layer, low_BCHW in zip(self.layers, low, strict=False):  # the last entry is appended
            features.append(layer(features[-1], low_BCHW))
        appended = resized(self.conv_last(low[-1]), features[-1].shape[-2:])
        result_BCHW = torch.cat([features[-1], appended], 1)
        return (result_BCHW if self.trans is None else self.trans(result_BCHW)), features


def _transition(channels: int) -> tuple[ConvUnit, int]:
    """The convolution that halves channels, and their number after it."""
    halved = int(channels * REDUCTION)
    return ConvUnit(channels, halved, 1), halved
