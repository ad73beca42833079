"""What changed between two frames of a clip, and the windows that must be computed for it.

A changed pixel changes the results in its halo, and those read twice the halo. Everything else keeps its bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.plan import Box, Tile
from sparsesr.image.samples import peak_of

Pixels = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]
"""(H, W), one per pixel."""
Blocks = npt.NDArray[np.bool_]
"""(blocks down, blocks across); the last of a row or column may be smaller."""

BLOCK_PX = 16
_STEP_PX = 64
"""Sides of windows are multiples of this."""
_CALL_PX = 2_000
"""The cost of a run of the network, apart from its pixels, in pixels; measured."""


def changed_pixels(before: Pixels, after: Pixels, tolerance: float = 0.0) -> Flags:
    """Pixels, of (H, W, 3), of which a sample changed by more than ``tolerance``, on a 0..1 scale."""
    if tolerance:
        peak = peak_of(after.dtype)
        different = np.maximum(before, after) - np.minimum(before, after) > tolerance * peak
    else:
        different = before != after
    return different[..., 0] | different[..., 1] | different[..., 2]


def settled(before: Pixels, after: Pixels, changed: Flags) -> Pixels:
    """The pixels of ``after`` that changed, those of ``before`` elsewhere.

    A result for these pixels is exact, whatever the tolerance was, so that slow changes cannot add up.
    """
    return np.where(changed[..., None], after, before)


def boxes_of(flags: Flags) -> tuple[Box, ...]:
    """Boxes that hold all flags: in bands of rows, columns at a distance apart."""
    boxes: list[Box] = []
    for top in range(0, flags.shape[0], _STEP_PX):
        band = flags[top : top + _STEP_PX]
        columns = np.flatnonzero(band.any(axis=0))
        for part in (
            np.split(columns, np.flatnonzero(np.diff(columns) > _STEP_PX) + 1) if columns.size else ()
        ):
            boxes.append(Box(top, int(part[0]), top + band.shape[0], int(part[-1]) + 1))
    return tuple(boxes)


def tiles_of(changed: Flags, size: tuple[int, int], halo_px: int, multiple: int) -> tuple[Tile, ...]:
    """Tiles whose cores hold every pixel that may differ in the result; ``size``: (height, width) of the frame.

    Changed pixels are taken together in blocks. Neighbouring blocks share a tile where that is less work. Cores may
    overlap, and give the same pixels there. Windows start at multiples of ``multiple``, and have few different sizes,
    since a session plans each anew.
    """

    def tile(box: Box) -> Tile:
        core = _grown(box, halo_px, size)
        read = _grown(core, halo_px, size)
        top, bottom = _window(read.top, read.bottom, size[0], multiple)
        left, right = _window(read.left, read.right, size[1], multiple)
        return Tile(core, Box(top, left, bottom, right))

    def cost(box: Box) -> int:
        return tile(box).window.area + _CALL_PX

    return tuple(tile(box) for box in _merged(_runs(_blocks(changed), size), cost))


def _blocks(changed: Flags) -> Blocks:
    height, width = changed.shape
    rows = np.arange(0, height, BLOCK_PX, dtype=np.intp)
    columns = np.arange(0, width, BLOCK_PX, dtype=np.intp)
    return np.logical_or.reduceat(np.logical_or.reduceat(changed, rows, axis=0), columns, axis=1)


def _runs(changed: Blocks, size: tuple[int, int]) -> Iterator[Box]:
    """Changed blocks that lie side by side, as boxes of pixels."""
    height, width = size
    for row in np.flatnonzero(changed.any(axis=1)):
        edges = np.flatnonzero(np.diff(np.concatenate(([False], changed[row], [False]))))
        for left, right in edges.reshape(-1, 2):
            top = int(row) * BLOCK_PX
            yield Box(
                top,
                int(left) * BLOCK_PX,
                min(top + BLOCK_PX, height),
                min(int(right) * BLOCK_PX, width),
            )


def _merged(boxes: Iterator[Box], cost: Callable[[Box], int]) -> list[Box]:
    """Boxes joined as long as two are cheaper as one."""
    done: list[Box] = []
    for each in boxes:
        box: Box = each
        while True:
            partner = next(
                (other for other in done if cost(_union(box, other)) <= cost(box) + cost(other)), None
            )
            if partner is None:
                break
            done.remove(partner)
            box = _union(box, partner)
        done.append(box)
    return done


def _union(a: Box, b: Box) -> Box:
    return Box(min(a.top, b.top), min(a.left, b.left), max(a.bottom, b.bottom), max(a.right, b.right))


def _grown(box: Box, by: int, size: tuple[int, int]) -> Box:
    height, width = size
    return Box(
        max(0, box.top - by), max(0, box.left - by), min(height, box.bottom + by), min(width, box.right + by)
    )


def _window(start: int, end: int, side: int, multiple: int) -> tuple[int, int]:
    """Start and end of a usual length around a range of a side of the frame."""
    length = -(-(end - start + multiple - 1) // _STEP_PX) * _STEP_PX
    if length >= side:
        return 0, side
    first = min(start, side - length) // multiple * multiple
    return first, side if end > first + length else first + length
