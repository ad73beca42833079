"""Rows of maps in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsesr.runtime.plan.map_layout import BF16_BYTES, Shape
from sparsesr.runtime.plan.place import Place

Map = NDArray[np.float32] | NDArray[np.uint16]
"""Values of a map: fp32, or bf16 as uint16."""
_ALIGNMENT_BYTES = 64


class Window:
    """Rows of a map in memory, in the form that kernels take (see ``_native``)."""

    def __init__(self, array: Map, place: Place) -> None:
        self.array = array
        self._place = place
        self._first = -1
        if not place.is_whole:
            array[0] = 0

    @property
    def placed(self) -> tuple[Map, int]:
        """The array and the row of the map that it begins with."""
        return self.array, self._first

    def make_room(self, keep: int, done: int) -> None:
        """Forget the rows before `keep`; rows before `done` have been written."""
        if self._place.is_whole or keep <= self._first:
            return
        shift, rows = keep - self._first, done - keep
        if rows > 0:
            self.array[:rows] = self.array[shift : shift + rows]
        self._first = keep

    def finish(self) -> None:
        """Put the row of zeros below the picture."""
        if not self._place.is_whole:
            self.array[self._place.rows - self._first] = 0


def aligned_zeros(shape: Shape) -> Map:
    """Zeros that begin at a cache line, so that no vector of a pixel crosses one."""
    flat = np.zeros(shape.nbytes + _ALIGNMENT_BYTES, np.uint8)
    first = -flat.ctypes.data % _ALIGNMENT_BYTES
    values = flat[first : first + shape.nbytes]
    size = (shape.rows, shape.columns, shape.stride)
    if shape.value_bytes == BF16_BYTES:
        return values.view(np.uint16).reshape(size)
    return values.view(np.float32).reshape(size)
