"""How maps lie in memory: what plans must know of a backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sparsesr.modelfile.operations.value_types import IMAGE_CHANNELS, TypedNode
from sparsesr.runtime.plan.grid import Grid

FLOAT_BYTES, BF16_BYTES = 4, 2


@dataclass(frozen=True)
class MapLayout:
    """Sizes that a backend chooses."""

    channel_block: int
    """The channels of a map are padded to a multiple of this..."""
    image_stride: int
    """...but those of an image to this."""
    mask_pixel_bytes: int
    """Memory of a mask, per pixel."""
    scratch_values: Callable[[TypedNode, Grid], int]
    """Floats that the backend allocates while a node runs, beyond maps and masks."""

    def stride(self, channels: int) -> int:
        """Values per pixel of a map."""
        if channels == IMAGE_CHANNELS:
            return self.image_stride
        return -(-channels // self.channel_block) * self.channel_block

    def row_shape(self, entry: TypedNode, grid: Grid, bf16: frozenset[str]) -> RowShape:
        """Of a node's output; ``bf16`` names the maps in bf16."""
        columns = grid.size(entry.output)[1] + 2
        return RowShape(columns, self.stride(entry.output.channels), value_bytes_of(entry, bf16))


class RowShape(NamedTuple):
    """A row of a map in memory."""

    columns: int
    """Width and the two border columns."""
    stride: int
    value_bytes: int


class Shape(NamedTuple):
    """A buffer for windows."""

    rows: int
    columns: int
    """Width and the two border columns."""
    stride: int
    value_bytes: int

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer."""
        return self.rows * self.columns * self.stride * self.value_bytes


def value_bytes_of(entry: TypedNode, bf16: frozenset[str]) -> int:
    """Bytes per value of a node's output; ``bf16`` names the maps in bf16."""
    return BF16_BYTES if entry.node.output in bf16 else FLOAT_BYTES
