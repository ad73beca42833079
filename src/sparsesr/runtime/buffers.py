"""Memory of a run: windows, pixel lists, and the pool that keeps them between runs."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsesr import _native
from sparsesr.errors import LimitError
from sparsesr.limits import MEBIBYTE
from sparsesr.runtime.plan import BF16_BYTES, LISTS_PER_MASK, Grid, Place, Plan, Shape

F32 = NDArray[np.float32]
Map = NDArray[np.float32] | NDArray[np.uint16]
"""Values of a map: fp32, or bf16 as uint16."""
I32 = NDArray[np.int32]

IDLE_BYTES = 512 * MEBIBYTE
"""Buffers that a pool keeps for later runs; larger ones are given back to the system."""
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


class MaskedRows(NamedTuple):
    """Pixels of some rows, in raster order."""

    active: I32
    inactive: I32
    border: tuple[I32, I32]
    """Those inactive ones that touch an active pixel, diagonally too, and perhaps some more: two parts."""


class MaskLists:
    """Active and inactive pixels of a mask, in raster order, growing with the rows that are done."""

    def __init__(self, lists: I32, grid: Grid) -> None:
        self._active, self._inactive, self._border = lists
        self._n_active = self._n_inactive = self._n_border = 0
        self._border_rows = 0
        self._grid, self._columns = grid, grid.width + 2

    @property
    def active(self) -> I32:
        """All that are active so far."""
        return self._active[: self._n_active]

    def grow(self, logits: Map, row0: int, r0: int, r1: int, bias: float) -> None:
        """Add rows [r0, r1) from logits in a window that begins with row ``row0``."""
        self._n_active, self._n_inactive = _native.mask_rows(
            logits, row0, r0, r1, bias, self._active, self._n_active, self._inactive, self._n_inactive
        )
        # The border of the last row depends on the next one.
        end = r1 if r1 == self._grid.height else r1 - 1
        if end > self._border_rows:
            active = self._cut(self.active, self._border_rows - 1, end + 1)
            self._n_border = _native.border_rows(
                active, self._grid.width, self._border_rows, end, self._border, self._n_border
            )
            self._border_rows = end

    def rows(self, r0: int, r1: int) -> MaskedRows:
        """Pixels of rows [r0, r1). Where a border is not known yet, all inactive ones stand for it."""
        inactive = self._cut(self._inactive[: self._n_inactive], r0, r1)
        border = self._cut(self._border[: self._n_border], r0, r1)
        beyond = self._cut(inactive, max(self._border_rows, r0), r1)
        return MaskedRows(self._cut(self.active, r0, r1), inactive, (border, beyond))

    def _cut(self, pixels: I32, r0: int, r1: int) -> I32:
        first, end = np.searchsorted(pixels, np.array([r0, r1], np.int32) * np.int32(self._columns))
        return pixels[first:end]

    @property
    def density(self) -> float:
        """Share of the picture's pixels that are active."""
        return self._n_active / (self._grid.height * self._grid.width)

    def to_image(self, height: int, width: int) -> NDArray[np.bool_]:
        """The mask as booleans of the top left `height` x `width` pixels."""
        rows, columns = np.divmod(self.active, self._columns)
        inside = (rows < height) & (columns <= width)
        mask = np.zeros((height, width), np.bool_)
        mask[rows[inside], columns[inside] - 1] = True
        return mask


class Arena:
    """All buffers of one run. Borders are zero from the start; no kernel writes to them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.windows = [_aligned_zeros(shape) for shape in plan.buffers]
        self.lists = np.empty((plan.mask_lists, LISTS_PER_MASK, plan.grid.height * plan.grid.width), np.int32)


def _aligned_zeros(shape: Shape) -> Map:
    """Zeros that begin at a cache line, so that no vector of a pixel crosses one."""
    flat = np.zeros(shape.nbytes + _ALIGNMENT_BYTES, np.uint8)
    first = -flat.ctypes.data % _ALIGNMENT_BYTES
    values = flat[first : first + shape.nbytes]
    size = (shape.rows, shape.columns, shape.stride)
    if shape.value_bytes == BF16_BYTES:
        return values.view(np.uint16).reshape(size)
    return values.view(np.float32).reshape(size)


class ArenaPool:
    """Lends arenas to runs, each to one at a time, and keeps some of those that come back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Arena] = []

    @contextmanager
    def lend(self, plan: Plan) -> Generator[Arena, None, None]:
        """An arena for this plan, given back however the block ends.

        Raises:
            LimitError: there is not enough memory.
        """
        try:
            arena = self._take(plan) or Arena(plan)
        except MemoryError:
            size = plan.nbytes // MEBIBYTE
            raise LimitError(f"no {size} MiB of memory for the picture; enlarge it in tiles") from None
        try:
            yield arena
        finally:
            self._give_back(arena)

    def _take(self, plan: Plan) -> Arena | None:
        with self._lock:
            for index, arena in enumerate(self._idle):
                if arena.plan is plan:
                    return self._idle.pop(index)
            self._shrink(IDLE_BYTES - plan.nbytes)
        return None

    def _give_back(self, arena: Arena) -> None:
        with self._lock:
            self._idle.append(arena)
            self._shrink(IDLE_BYTES)

    def _shrink(self, limit: int) -> None:
        """Drop the oldest arenas until the idle ones take no more than `limit` bytes."""
        while self._idle and sum(arena.plan.nbytes for arena in self._idle) > limit:
            self._idle.pop(0)
