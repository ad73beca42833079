"""First layer, classifiers and initial weights that RANet and MSDNet share.

Shape suffixes: B batch, C channels, H and W rows and columns, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from sparsesr.lab.nn.layers.dense_fusion import ConvUnit

CIFAR_CHANNELS = 128
"""Width of the classifiers' convolutions for small images."""


class FirstLayer(nn.Module):
    """Base features at several resolutions, each made from the next higher one.

    Args:
        widths: channels, the highest resolution first.
        strides: of all but the first.
        is_large: begin as for ImageNet.
    """

    def __init__(self, widths: Sequence[int], strides: Sequence[int], *, is_large: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_stem(widths[0]) if is_large else ConvUnit(3, widths[0])])
        for index, stride in enumerate(strides):
            self.layers.append(ConvUnit(widths[index], widths[index + 1], 3, stride))

    def forward(self, image_B3HW: Tensor) -> list[Tensor]:
        """Features, the lowest resolution first."""
        features = [image_B3HW]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return features[:0:-1]


def _stem(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, channels, 7, 2, 3),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    )


class ExitClassifier(nn.Module):
    """(B, C, H, W) -> logits (B, K); H and W are 8 (CIFAR) or 7 (ImageNet)."""

    def __init__(self, channels: int, inner: int, classes: int) -> None:
        super().__init__()
        self.m = nn.Sequential(ConvUnit(channels, inner, 3, 2), ConvUnit(inner, inner, 3, 2), nn.AvgPool2d(2))
        self.linear = nn.Linear(inner, classes)

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """Classify a batch."""
        return self.linear(self.m(feat_BCHW).flatten(1))


def initialise(module: nn.Module) -> None:
    """Initial weights of the authors' code for convolutions; linear layers begin without bias."""
    if isinstance(module, nn.Conv2d):
        spread = math.sqrt(2 / (module.kernel_size[0] * module.kernel_size[1] * module.out_channels))
        nn.init.normal_(module.weight, 0, spread)
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
