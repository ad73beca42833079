"""Symbolic values during lowering: tensors of the graph plus deferred arithmetic.

Factors and shifts of images are never nodes: they are carried along here until a convolution absorbs them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

PerColour = npt.NDArray[np.float64]
"""One number for red, green and blue."""


@dataclass(frozen=True)
class LRImage:
    """``factor * image + shift``, where the image is the network's input in 0..1."""

    factor: float
    shift: PerColour

    def scaled(self, factor: float) -> LRImage:
        """The same, times ``factor``."""
        return LRImage(self.factor * factor, self.shift * factor)

    def shifted(self, shift: PerColour) -> LRImage:
        """The same, plus ``shift``."""
        return replace(self, shift=self.shift + shift)


@dataclass(frozen=True)
class FeatureMap:
    """The feature map produced by a node."""

    name: str


@dataclass(frozen=True)
class Concat:
    """Concatenated feature maps; never materialised."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class HRImage:
    """``factor * shuffle(source) + skip_factor * skip + shift``: the result of the network, or a part of it."""

    source: str | None = None
    """A convolution with ``3 * shuffle**2`` outputs."""
    shuffle: int = 1
    """Factor of the pixel shuffle behind the convolution; 1: none."""
    factor: float = 1.0
    skip: str | None = None
    """A ``bicubic_upsample`` node."""
    skip_factor: float = 1.0
    shift: PerColour = field(default_factory=lambda: np.zeros(3))
    scale: int = 1
    """Total upscaling factor relative to the input."""

    def scaled(self, factor: float) -> HRImage:
        """The same, times ``factor``."""
        return replace(
            self,
            factor=self.factor * factor,
            skip_factor=self.skip_factor * factor,
            shift=self.shift * factor,
        )

    def shifted(self, shift: PerColour) -> HRImage:
        """The same, plus ``shift``."""
        return replace(self, shift=self.shift + shift)


Value: TypeAlias = "LRImage | FeatureMap | Concat | HRImage"
