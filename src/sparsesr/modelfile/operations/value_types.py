"""Types of the tensors of a graph.

A graph carries three kinds of tensors: *maps* (channels at the picture's resolution, or at any multiple or
fraction of it), *masks* (which pixels are active) and *vectors* (one number per channel for the whole
picture). Resolutions are relative to the LR picture. Rows of a map are its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import gcd

from sparsesr.modelfile.spec import Node

PICTURE_CHANNELS = 3
"""A map of so many channels is a picture, whatever it means: it is stored as one and stays in fp32."""


class Kind(Enum):
    """What a tensor of the graph is."""

    MAP = "map"
    MASK = "mask"
    VECTOR = "vector"


@dataclass(frozen=True)
class Resolution:
    """Size of a map or mask relative to the LR picture: ``up / down``, in lowest terms, of its sides."""

    up: int = 1
    down: int = 1

    def times(self, up: int, down: int = 1) -> Resolution:
        """The resolution of a map that is ``up / down`` times as large."""
        common = gcd(self.up * up, self.down * down)
        return Resolution(self.up * up // common, self.down * down // common)

    def of(self, lr_px: int) -> int:
        """Pixels of a side that has ``lr_px`` pixels in the LR picture; what does not divide is left out."""
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
    def is_picture(self) -> bool:
        """True for a map that has the form of a picture."""
        return self.kind is Kind.MAP and self.channels == PICTURE_CHANNELS

    def __str__(self) -> str:
        place = "" if self.resolution is None else f" at {self.resolution} resolution"
        return f"{self.kind.value} of {self.channels} channels{place}"


@dataclass(frozen=True)
class TypedNode:
    """A node that passed its schema, with the types of its inputs and output and the sizes of symbols."""

    node: Node
    inputs: tuple[ValueType, ...]
    output: ValueType
    sizes: Mapping[str, int]
