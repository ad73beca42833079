"""Memory layout of maps: the facts about a backend that plans need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sparsesr.modelfile.operations.value_types import IMAGE_CHANNELS, TypedNode
from sparsesr.runtime.graph.number_types import MapTypes, type_of
from sparsesr.runtime.plan.grid import Grid

FLOAT_BYTES = 4


@dataclass(frozen=True)
class MapLayout:
    """Sizes chosen by a backend."""

    channel_block: int
    """The channels of a map are padded to a multiple of this..."""
    image_stride: int
    """...but those of an image to this."""
    mask_bytes: Callable[[int, int], int]
    """Bytes of a mask of (height, width) pixels."""
    scratch_values: Callable[[TypedNode, Grid], int]
    """Number of floats that the backend allocates while a node runs, besides maps and masks."""

    def stride(self, channels: int) -> int:
        """Values per pixel of a map."""
        if channels == IMAGE_CHANNELS:
            return self.image_stride
        return -(-channels // self.channel_block) * self.channel_block

    def row_shape(self, entry: TypedNode, grid: Grid, types: MapTypes) -> RowShape:
        """Shape of a row of a node's output; ``types`` are those of the maps that are not in fp32."""
        columns, of_map = grid.size(entry.output)[1] + 2, type_of(entry.node.output, types)
        return RowShape(columns, self.stride(entry.output.channels), of_map.value_bytes, of_map.zero)


class RowShape(NamedTuple):
    """Shape of a row of a map in memory."""

    columns: int
    """Width plus the two border columns."""
    stride: int
    value_bytes: int
    zero: int = 0
    """Byte that borders are filled with."""


class Shape(NamedTuple):
    """Shape of a buffer for windows."""

    rows: int
    columns: int
    """Width plus the two border columns."""
    stride: int
    value_bytes: int
    zero: int = 0
    """Byte that borders are filled with."""

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer."""
        return self.rows * self.columns * self.stride * self.value_bytes
