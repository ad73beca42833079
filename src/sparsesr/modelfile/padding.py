"""The padding rule: the size to which an image is extended before a network sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sparsesr.modelfile.operations.value_types import FULL, TypedNode
from sparsesr.modelfile.spec import Facts


@dataclass(frozen=True)
class Padding:
    """Padding by repeating the edge, to whole multiples and at least ``least_px`` per side."""

    multiple: int
    least_px: int = 1

    def side(self, px: int) -> int:
        """Padded length of a side."""
        return -(-max(px, self.least_px) // self.multiple) * self.multiple

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Padded rows and columns."""
        return self.side(height), self.side(width)


def padding_of(facts: Facts, typed: Iterable[TypedNode]) -> Padding:
    """Padding rule of a network: its size multiple, and large enough that no downscaled map is empty."""
    return Padding(facts.size_multiple, max((entry.output.resolution or FULL).down for entry in typed))
