"""Memory layout of maps: the facts about a backend that plans need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sparsesr.modelfile.operations.value_types import IMAGE_CHANNELS, TypedNode
from sparsesr.runtime.plan.grid import Grid

FLOAT_BYTES, BF16_BYTES = 4, 2


@dataclass(frozen=True)
class MapLayout:
    """Sizes chosen by a backend."""

    channel_block: int
    """The channels of a map are padded to a multiple of this..."""
    image_stride: int
    """...but those of an image to this."""
    mask_pixel_bytes: int
    """Bytes of a mask per pixel."""
    scratch_values: Callable[[TypedNode, Grid], int]
    """Number of floats that the backend allocates while a node runs, besides maps and masks."""

    def stride(self, channels: int) -> int:
        """Values per pixel of a map."""
        if channels == IMAGE_CHANNELS:
            return self.image_stride
        return -(-channels // self.channel_block) * self.channel_block

    def row_shape(self, entry: TypedNode, grid: Grid, bf16: frozenset[str]) -> RowShape:
        """Shape of a row of a node's output; ``bf16`` names the maps in bf16."""
        columns = grid.size(entry.output)[1] + 2
        return RowShape(columns, self.stride(entry.output.channels), value_bytes_of(entry, bf16))


class RowShape(NamedTuple):
    """Shape of a row of a map in memory."""

    columns: int
    """Width plus the two border columns."""
    stride: int
    value_bytes: int


class Shape(NamedTuple):
    """Shape of a buffer for windows."""

    rows: int
    columns: int
    """Width plus the two border columns."""
    stride: int
    value_bytes: int

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer."""
        return self.rows * self.columns * self.stride * self.value_bytes


def value_bytes_of(entry: TypedNode, bf16: frozenset[str]) -> int:
    """Bytes per value of a node's output; ``bf16`` names the maps in bf16."""
    return BF16_BYTES if entry.node.output in bf16 else FLOAT_BYTES
