"""Hyper-parameters of MSDNet and what follows from them: layers, scales, exits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sparsesr.lab.nn.exit_config import CIFAR10_MEAN_RGB, CIFAR10_STD_RGB


@dataclass(frozen=True)
class LayerPlan:
    """A layer of a block: its scales and channels per unit of width, before and after it."""

    scales_in: int
    scales: int
    channels_in: int
    channels: int
    has_transition: bool
    """Whether a transition follows, which halves the channels."""


@dataclass(frozen=True)
class MSDNetConfig:
    """Hyper-parameters as in the authors' code for CIFAR. Lists by scale begin with the lowest resolution."""

    blocks: int = 10
    """Each block has an exit."""
    base: int = 4
    """Layers of the first block."""
    step: int = 2
    """Layers of each further one."""
    channels: int = 16
    growth: int = 6
    factors: tuple[int, ...] = (4, 2, 1)
    """Widths of base features and growth, in units of ``channels`` and ``growth``."""
    bottlenecks: tuple[int, ...] = (4, 2, 1)
    classes: int = 10
    image_px: int = 32
    """Side of the images."""
    mean: tuple[float, ...] = CIFAR10_MEAN_RGB
    std: tuple[float, ...] = CIFAR10_STD_RGB
    """Mean and standard deviation of training images in 0..1; the network normalises by them."""

    def __post_init__(self) -> None:
        if not len(self.factors) == len(self.bottlenecks) >= 1:
            raise ValueError(f"factors and bottlenecks must be as many: {self}")
        if min(self.blocks, self.base, self.step, self.channels, self.growth, self.classes) < 1:
            raise ValueError(f"all sizes must be at least 1: {self}")
        if any(self.growth * factor % 2 for factor in self.factors[:-1]):
            raise ValueError(f"growth {self.growth} cannot be halved at all scales but the highest")

    @property
    def exits(self) -> int:
        """Number of classifiers."""
        return self.blocks

    def plan(self) -> list[list[LayerPlan]]:
        """The layers of all blocks. After each third of the layers, with three scales, the highest is dropped."""
        sizes = [self.base] + [self.step] * (self.blocks - 1)
        scales, interval = len(self.factors), math.ceil(sum(sizes) / len(self.factors))
        found: list[list[LayerPlan]] = []
        channels, index = self.channels, 0
        for size in sizes:
            block: list[LayerPlan] = []
            for _ in range(size):
                before, after = (scales - max(0, done) // interval for done in (index - 1, index))
                block.append(LayerPlan(before, after, channels, channels + self.growth, after < before))
                channels = (channels + self.growth) // 2 if after < before else channels + self.growth
                index += 1
            found.append(block)
        return found
