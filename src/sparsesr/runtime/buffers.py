"""Memory of a run: windows, masks, and the pool that keeps them between runs."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from sparsesr import _native
from sparsesr.errors import LimitError
from sparsesr.limits import MEBIBYTE
from sparsesr.runtime.plan import BF16_BYTES, Grid, Place, Plan, Shape

F32 = NDArray[np.float32]
Map = NDArray[np.float32] | NDArray[np.uint16]
"""Values of a map: fp32, or bf16 as uint16."""

KEPT_BYTES = 512 * MEBIBYTE
"""Buffers that a pool keeps for later runs, if nothing else is said; larger ones are given back to the system."""
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


def mask_image(mask: _native.PixelMask, grid: Grid, height: int, width: int) -> NDArray[np.bool_]:
    """A whole mask as booleans, of the top left `height` x `width` pixels."""
    rows, columns = np.divmod(mask.active(0, grid.height), grid.width + 2)
    inside = (rows < height) & (columns <= width)
    image = np.zeros((height, width), np.bool_)
    image[rows[inside], columns[inside] - 1] = True
    return image


class Arena:
    """All buffers of one run. Borders are zero from the start; no kernel writes to them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.windows = [_aligned_zeros(shape) for shape in plan.buffers]
        self.masks = [_native.PixelMask(plan.grid.height, plan.grid.width) for _ in range(plan.masks)]


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
    """Lends arenas to runs, each to one at a time, and keeps those that come back within a limit.

    New memory costs time: at 1920x1080 a run of SMSR takes a seventh longer in buffers that are new.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Arena] = []
        self._limit = KEPT_BYTES

    @property
    def idle_bytes(self) -> int:
        """Held for later runs."""
        with self._lock:
            return self._idle_bytes()

    def keep(self, limit: int) -> None:
        """From now on, keep at most `limit` bytes; a run's own buffers count while they are lent."""
        with self._lock:
            self._limit = limit
            self._shrink(limit)

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
                if arena.plan == plan:  # plans that a session has forgotten are made anew
                    del self._idle[index]
                    break
            else:
                arena = None
            self._shrink(self._limit - plan.nbytes)
            return arena

    def _give_back(self, arena: Arena) -> None:
        with self._lock:
            self._idle.append(arena)
            self._shrink(self._limit)

    def _shrink(self, limit: int) -> None:
        """Drop the oldest arenas until the idle ones take no more than `limit` bytes."""
        while self._idle and self._idle_bytes() > limit:
            self._idle.pop(0)

    def _idle_bytes(self) -> int:
        return sum(arena.plan.nbytes for arena in self._idle)
