"""Frames: the fixed layers of searched networks around the searched body, one per family.

A frame is called with the image and the body, a function from features to features.

Shape suffixes: B batch, C channels, H and W rows and columns of the LR image, Y and X of the HR image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.image_layers import BicubicUpsample, MeanShift, UnitRange
from sparsesr.lab.nn.layers.residual_block import BRANCH_GAIN, TRUNK_RANGE
from sparsesr.lab.nn.layers.searched_operations import LEAK, Enlarging, convolution

Body = Callable[[Tensor], Tensor]
_COLOURS = 3


class Frame(nn.Module):
    """Base of all frames."""

    def centred(self, image_B3HW: Tensor) -> Tensor:
        """The image as the head sees it but for a factor; mask heads read it too."""
        return image_B3HW


class LateUpsampling(Frame):
    """TrilevelNAS-B: head, body, convolution and pixel shuffle, ``(tanh(z) + 1) / 2``. No global skip."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.head = convolution(_COLOURS, channels, 3, bias=True)
        self.tail = convolution(channels, _COLOURS * scale**2, 3, bias=True)
        self.shuffle = nn.PixelShuffle(scale)
        self.unit_range = UnitRange()

    def forward(self, image_B3HW: Tensor, body: Body) -> Tensor:
        """(B, 3, H, W) in 0..1 -> (B, 3, scale H, scale W) in 0..1."""
        return self.unit_range(self.shuffle(self.tail(body(self.head(image_B3HW)))))


class EarlyUpsampling(Frame):
    """TrilevelNAS-A: the body enlarges the features; a convolution to colours follows."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.head = convolution(_COLOURS, channels, 3, bias=True)
        self.tail = convolution(channels, _COLOURS, 3, bias=True)
        self.unit_range = UnitRange()

    def forward(self, image_B3HW: Tensor, body: Body) -> Tensor:
        """(B, 3, H, W) in 0..1 -> (B, 3, scale H, scale W) in 0..1."""
        return self.unit_range(self.tail(body(self.head(image_B3HW))))


class AutoGanDistiller(Frame):
    """The skeleton of AGD (ICML 2020): trunk convolution, global skip, two enlarging blocks, two convolutions."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        if scale != 4:
            raise ValueError(f"the skeleton of AGD is for x4, not x{scale}")
        self.head = convolution(_COLOURS, channels, 3, bias=True)
        self.trunk = convolution(channels, channels, 3, bias=True)
        self.ups = nn.Sequential(Enlarging(channels), Enlarging(channels))
        self.large = convolution(channels, channels, 3, bias=True)
        self.activation = nn.LeakyReLU(LEAK)
        self.tail = convolution(channels, _COLOURS, 3, bias=True)
        self.unit_range = UnitRange()

    def forward(self, image_B3HW: Tensor, body: Body) -> Tensor:
        """(B, 3, H, W) in 0..1 -> (B, 3, 4 H, 4 W) in 0..1."""
        feat_BCHW = self.head(image_B3HW)
        large_BCYX = self.ups(feat_BCHW + self.trunk(body(feat_BCHW)))
        return self.unit_range(self.tail(self.activation(self.large(large_BCYX))))


class BicubicFrame(Frame):
    """The frame of Skim: mean colour removed, pixel shuffle, bicubic skip. All of it runs natively."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.sub_mean = MeanShift(1.0, -1)
        self.add_mean = MeanShift(1.0, +1)
        self.head = convolution(_COLOURS, channels, 3, bias=True)
        self.tail = convolution(channels, _COLOURS * scale**2, 3, bias=True)
        self.shuffle = nn.PixelShuffle(scale)
        self.upsample = BicubicUpsample(scale)
        with torch.no_grad():  # training starts near bicubic
            self.tail.weight.mul_(BRANCH_GAIN)

    def centred(self, image_B3HW: Tensor) -> Tensor:
        """The image without the mean colour."""
        return self.sub_mean(image_B3HW)

    def forward(self, image_B3HW: Tensor, body: Body) -> Tensor:
        """(B, 3, H, W) in 0..1 -> (B, 3, scale H, scale W), not clipped."""
        x_B3HW = self.centred(image_B3HW)
        hr_B3YX = self.shuffle(self.tail(body(self.head(x_B3HW * TRUNK_RANGE))))
        return self.add_mean(hr_B3YX / TRUNK_RANGE + self.upsample(x_B3HW))


_FRAMES: Mapping[str, Callable[[int, int], Frame]] = {
    "trilevel_a": EarlyUpsampling,
    "trilevel_b": LateUpsampling,
    "agd": AutoGanDistiller,
    "residual": BicubicFrame,
}


def frame_of(family: str, channels: int, scale: int) -> Frame:
    """The frame of a family."""
    return _FRAMES[family](channels, scale)
