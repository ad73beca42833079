"""What stands for a tensor while a network is being lowered: a tensor of the graph, with work put off.

Scaling and shifting of pictures is never a node: it is carried along here until a convolution takes it in.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

PerColour = npt.NDArray[np.float64]
"""One number for red, green and blue."""


@dataclass(frozen=True)
class LRPicture:
    """``factor * picture + shift``; the picture is the input, 0..1."""

    factor: float
    shift: PerColour

    def scaled(self, factor: float) -> LRPicture:
        """The same, times ``factor``."""
        return LRPicture(self.factor * factor, self.shift * factor)

    def shifted(self, shift: PerColour) -> LRPicture:
        """The same, plus ``shift``."""
        return replace(self, shift=self.shift + shift)


@dataclass(frozen=True)
class Map:
    """A map that a node produces."""

    name: str


@dataclass(frozen=True)
class Concat:
    """Maps side by side; never built."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class HRPicture:
    """``factor * shuffle(source) + skip_factor * skip + shift``: what becomes the result."""

    source: str | None = None
    """A convolution with 3 shuffle^2 outputs."""
    shuffle: int = 1
    """Enlargement by the pixel shuffle that follows the convolution; 1: none."""
    factor: float = 1.0
    skip: str | None = None
    """A ``bicubic_upsample`` node."""
    skip_factor: float = 1.0
    shift: PerColour = field(default_factory=lambda: np.zeros(3))
    scale: int = 1
    """Enlargement of the input picture in all."""

    def scaled(self, factor: float) -> HRPicture:
        """The same, times ``factor``."""
        return replace(
            self,
            factor=self.factor * factor,
            skip_factor=self.skip_factor * factor,
            shift=self.shift * factor,
        )

    def shifted(self, shift: PerColour) -> HRPicture:
        """The same, plus ``shift``."""
        return replace(self, shift=self.shift + shift)


Value: TypeAlias = "LRPicture | Map | Concat | HRPicture"
