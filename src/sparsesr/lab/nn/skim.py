"""Skim: a plain residual trunk with one mask per image, designed for inference that skips pixels.

Like SMSR (CVPR 2021) it learns which pixels matter, but without the parts that are slow to run: five mask heads,
whole-image attention and concatenations. The mask is predicted from the image itself, at half resolution. Inactive
pixels keep their features, so blocks cost nothing there. No operation needs the whole image, so bands, tiles and
changed blocks of video frames give exact results.

Shape suffixes: B batch, C channels, H and W rows and columns of the LR image, 1 a broadcast axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.from_tensors import check_held, count_entries
from sparsesr.lab.nn.layers.image_layers import BicubicUpsample, MeanShift
from sparsesr.lab.nn.layers.residual_block import BRANCH_GAIN, TRUNK_RANGE
from sparsesr.lab.nn.layers.residual_chain import ResidualChain
from sparsesr.lab.nn.layers.spatial_mask import SpatialMaskUnit
from sparsesr.lab.nn.masked_network import OneMaskNetwork
from sparsesr.lab.nn.network import Architecture, Networks, StateDict

_IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class SkimConfig:
    """Hyper-parameters. ``channels`` should be a multiple of 16, preferably of 32, to fill vector and tile units."""

    scale: int = 2
    channels: int = 64
    blocks: int = 8
    mask_channels: int = 16
    """Hidden channels of the mask head; 0: no mask, all pixels are active."""

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"scale must be 2, 3 or 4, not {self.scale}")
        if min(self.channels, self.blocks) < 1 or self.mask_channels < 0:
            raise ValueError(f"all sizes must be at least 1, mask_channels at least 0: {self}")


class Skim(OneMaskNetwork):
    """(B, 3, H, W) in 0..1 -> (B, 3, scale * H, scale * W), not clipped. With a mask, H and W must be even."""

    def __init__(self, config: SkimConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SkimConfig()
        self.sub_mean = MeanShift(1.0, -1)
        self.add_mean = MeanShift(1.0, +1)
        self.mask = SpatialMaskUnit(_IMAGE_CHANNELS, config.mask_channels) if config.mask_channels else None
        self.head = nn.Conv2d(_IMAGE_CHANNELS, config.channels, 3, padding=1)
        self.body = ResidualChain(config.channels, config.blocks)
        self.tail = nn.Sequential(
            nn.Conv2d(config.channels, _IMAGE_CHANNELS * config.scale**2, 3, padding=1),
            nn.PixelShuffle(config.scale),
        )
        self.upsample = BicubicUpsample(config.scale)
        with torch.no_grad():  # training starts near bicubic
            self.tail[0].weight.mul_(BRANCH_GAIN)  # type: ignore[operator]

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Upscale a batch."""
        x_B3HW = self.centred(image_B3HW)
        mask_B1HW = self.mask(x_B3HW) if self.mask is not None else None
        feat_BCHW = self.body(self.head(x_B3HW * TRUNK_RANGE), mask_B1HW)
        hr_B3YX = self.add_mean(self.tail(feat_BCHW) / TRUNK_RANGE + self.upsample(x_B3HW))
        return self.depending_on_lesson(hr_B3YX)

    def centred(self, image_B3HW: Tensor) -> Tensor:
        """The image less its mean colour."""
        return self.sub_mean(image_B3HW)


def _from_tensors(tensors: StateDict) -> nn.Module:
    head = tensors.get("mask.spa_mask.0.weight")
    config = SkimConfig(
        scale=math.isqrt(tensors["tail.0.weight"].shape[0] // _IMAGE_CHANNELS),
        channels=tensors["head.weight"].shape[0],
        blocks=count_entries(tensors, "body."),
        mask_channels=0 if head is None else head.shape[0],
    )
    check_held(18 * config.channels**2 * config.blocks, tensors)
    with torch.device("meta"):  # the weights are loaded next, so skip initialising them
        module = Skim(config)
    return module.to_empty(device="cpu")


ARCHITECTURE = Architecture(
    "skim",
    frozenset({"sub_mean.bias", "head.weight", "body.0.a.weight", "body.0.b.weight", "tail.0.weight"}),
    _from_tensors,
)

# Widths that fill vectors and tiles. MACs per LR pixel at x2, all pixels active: 0.23 M and 0.60 M.
_FAST = {"channels": 32, "blocks": 12}
_BEST = {"channels": 64, "blocks": 8}


def _create(**settings: int) -> nn.Module:
    return Skim(SkimConfig(**settings))


NETWORKS: Networks = {
    f"skim_{size}{kind}_x{scale}": partial(_create, scale=scale, **settings, **masks)
    for size, settings in (("fast", _FAST), ("best", _BEST))
    for kind, masks in (("", {}), ("_dense", {"mask_channels": 0}))
    for scale in (2, 3, 4)
}
