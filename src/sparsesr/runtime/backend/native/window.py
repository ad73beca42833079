"""Windows: the rows of maps that are in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsesr import _native
from sparsesr.runtime.graph.zero_fill import ZeroFill
from sparsesr.runtime.plan.map_layout import Shape
from sparsesr.runtime.plan.place import Place

Map = NDArray[np.float32] | NDArray[np.uint16] | NDArray[np.uint8]
"""Values of a map: fp32, bf16 as uint16, or quantised."""
_ALIGNMENT_BYTES = 64


class Reached(NamedTuple):
    """Pixels within a distance of active ones."""

    mask: str
    reach: int


class Window:
    """Rows of a map in memory, in the layout that kernels expect (see ``_native``). Maps in one buffer share it."""

    def __init__(self, array: Map, place: Place, zero: int = 0) -> None:
        self.array = array
        self._zero = zero
        self._place = place
        self._first = -1
        self._end = 0
        #: Zero fill already done, if maps under one mask share the window.
        self.zeros = ZeroFill.NOWHERE
        #: Where each of the maps has values; None: everywhere.
        self.written: dict[str, Reached | None] = {}
        if not place.is_whole:
            array[0] = zero

    @property
    def placed(self) -> tuple[Map, int]:
        """The array, and the map's row at its start."""
        return self.array, self._first

    def make_room(self, keep: int, end: int, masks: Mapping[str, _native.PixelMask], threads: int) -> None:
        """Make room for the rows up to `end`, which are written next; rows before `keep` may be dropped."""
        is_full = end + 1 - self._first > len(self.array)  # with the zero row below the image
        if not self._place.is_whole and is_full and keep > self._first:
            shift, rows = keep - self._first, self._end - keep
            if rows > 0:
                reached = self._reached()
                pixels = None if reached is None else (masks[reached.mask], reached.reach)
                _native.move_rows(self.array, shift, rows, keep, pixels, threads)
            self._first = keep
        self._end = max(self._end, end)

    def _reached(self) -> Reached | None:
        """Where any of the maps has values; None: everywhere."""
        parts = [part for part in self.written.values() if part is not None]
        if len(parts) < len(self.written) or len({part.mask for part in parts}) != 1:
            return None
        return max(parts)

    def finish(self) -> None:
        """Clear the border row below the image."""
        if not self._place.is_whole:
            self.array[self._place.rows - self._first] = self._zero
            self._end = self._place.rows + 1


def windows_of_zeros(shapes: Sequence[Shape]) -> list[Map]:
    """Windows in one block of memory, for which numpy requests huge pages; each starts at a cache line."""
    starts = [0, *accumulate(-(-shape.nbytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES for shape in shapes)]
    memory = np.zeros(starts[-1] + _ALIGNMENT_BYTES, np.uint8)
    memory = memory[-memory.ctypes.data % _ALIGNMENT_BYTES :]
    return [_window_at(memory[start:], shape) for start, shape in zip(starts, shapes, strict=False)]


def _window_at(memory: NDArray[np.uint8], shape: Shape) -> Map:
    values = memory[: shape.nbytes]
    size = (shape.rows, shape.columns, shape.stride)
    if shape.zero:
        values[:] = shape.zero
    if shape.value_bytes == 1:
        return values.reshape(size)
    if shape.value_bytes == 2:
        return values.view(np.uint16).reshape(size)
    return values.view(np.float32).reshape(size)
