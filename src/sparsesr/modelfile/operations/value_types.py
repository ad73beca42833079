"""Types of the tensors of a graph.

A graph carries three kinds of tensors: *maps* (channels at the image's resolution, or at any multiple or
fraction of it), *masks* (one flag per pixel: active or inactive) and *vectors* (one number per channel for the
whole image). Resolutions are relative to the LR image. Every map counts in its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import gcd

from sparsesr.modelfile.spec import Node

IMAGE_CHANNELS = 3
"""Every map with this number of channels is treated as an image: it is stored as one and stays in fp32."""


class Kind(Enum):
    """Kind of a tensor of the graph."""

    MAP = "map"
    MASK = "mask"
    VECTOR = "vector"


@dataclass(frozen=True)
class Resolution:
    """Size of a map or mask relative to the LR image: each side is ``up / down`` of the image's, in lowest terms."""

    up: int = 1
    down: int = 1

    def times(self, up: int, down: int = 1) -> Resolution:
        """Return the resolution of a map ``up / down`` times as large."""
        common = gcd(self.up * up, self.down * down)
        return Resolution(self.up * up // common, self.down * down // common)

    def of(self, lr_px: int) -> int:
        """Return the length in pixels of a side that has ``lr_px`` pixels in the LR image, rounded down."""
        return lr_px * self.up // self.down

    def __str__(self) -> str:
        if self.up == self.down:
            return "full"
        return f"{self.up}/{self.down}" if self.down > 1 else f"x{self.up}"


FULL, HALF = Resolution(), Resolution(1, 2)


@dataclass(frozen=True)
class ValueType:
    """Type of a tensor of the graph; vectors have no resolution, masks one channel."""

    kind: Kind
    channels: int
    resolution: Resolution | None

    @property
    def is_image(self) -> bool:
        """True for a map with the channels of an image."""
        return self.kind is Kind.MAP and self.channels == IMAGE_CHANNELS

    def __str__(self) -> str:
        place = "" if self.resolution is None else f" at {self.resolution} resolution"
        return f"{self.kind.value} of {self.channels} channels{place}"


@dataclass(frozen=True)
class TypedNode:
    """A checked node, with the types of its inputs and output and the sizes of symbols."""

    node: Node
    inputs: tuple[ValueType, ...]
    output: ValueType
    sizes: Mapping[str, int]
