"""Frames between YUV and RGB, with the matrix and range of the stream (ITU-T H.273, clauses 8.1 and 8.3).

RGB is kept in 16 bits, so that 8 and 10 bits are rounded once, at the end. FFmpeg's swscale is not used: it is off by
up to 2 levels of 255, and 4 of 1023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.plan import Box

Pixels = npt.NDArray[Any]
F32 = npt.NDArray[np.float32]
Planes = tuple[Pixels, ...]
"""Y, Cb and Cr, or Y alone; uint8, or uint16 for more than 8 bits."""

BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
FCC, SMPTE240M = (0.30, 0.11), (0.212, 0.087)

_PEAK = 65535.0
_BAND_ROWS = 32
"""Rows that are converted at a time, to stay in the caches; even."""


@dataclass(frozen=True)
class YuvForm:
    """What the samples of a frame mean."""

    bits: int
    luma_weights: tuple[float, float]
    """KR and KB of the matrix."""
    is_full: bool
    """True if luma is 0..255 in 8 bits, False for 16..235."""
    halvings: tuple[int, int] = (1, 1)
    """How often chroma is halved, (down, across): (1, 1) is 4:2:0, (0, 1) 4:2:2, (0, 0) 4:4:4."""
    is_grey: bool = False

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Type of the samples."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def scales(self) -> tuple[float, float]:
        """Levels per unit of luma (0..1) and of chroma (-0.5..0.5)."""
        peak = float(2**self.bits - 1)
        return (peak, peak) if self.is_full else (219.0 * 2 ** (self.bits - 8), 224.0 * 2 ** (self.bits - 8))

    @property
    def offsets(self) -> tuple[float, float]:
        """Levels of black and of no colour."""
        return 0.0 if self.is_full else 16.0 * 2 ** (self.bits - 8), float(2 ** (self.bits - 1))

    def chroma_size(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of a chroma plane for a picture of this size."""
        down, across = self.halvings
        return -(-height >> down), -(-width >> across)

    def forward(self) -> F32:
        """(3, 3): RGB in 0..65535, from the right, to Y, Cb, Cr in levels, without offsets."""
        red, blue = self.luma_weights
        luma = np.array([red, 1 - red - blue, blue])
        rows = [luma, (np.eye(3)[2] - luma) / (2 * (1 - blue)), (np.eye(3)[0] - luma) / (2 * (1 - red))]
        scales = np.array([self.scales[0], self.scales[1], self.scales[1]])
        return (np.stack(rows) * scales[:, None] / _PEAK).astype(np.float32)


@dataclass(frozen=True)
class Converted:
    """A picture's planes, and its pixels."""

    planes: Planes
    rgb: npt.NDArray[np.uint16]
    """(H, W, 3)."""


def to_rgb(
    form: YuvForm, planes: Sequence[Pixels], before: Converted | None = None
) -> npt.NDArray[np.uint16]:
    """The (H, W, 3) picture of the planes; levels beyond black and white are clipped.

    Chroma lies at the left pixel of two and between two rows, as is usual, and is interpolated linearly. Rows that are
    as ``before`` in a picture of the same form are copied from it.
    """
    height, width = planes[0].shape
    inverse = np.linalg.inv(form.forward().astype(np.float64)).T.astype(np.float32)
    rgb = np.empty((height, width, 3), np.uint16)
    for top in range(0, height, _BAND_ROWS):
        rows = range(top, min(height, top + _BAND_ROWS))
        if before is not None and _are_equal(planes, before.planes, form, rows):
            rgb[rows.start : rows.stop] = before.rgb[rows.start : rows.stop]
            continue
        levels = np.zeros((len(rows), width, 3), np.float32)
        levels[..., 0] = planes[0][rows.start : rows.stop] - np.float32(form.offsets[0])
        for index in () if form.is_grey else (1, 2):
            levels[..., index] = _enlarged(planes[index], form, rows, width) - np.float32(form.offsets[1])
        rgb[rows.start : rows.stop] = np.clip(np.rint(levels @ inverse), 0, _PEAK)
    return rgb


def _are_equal(a: Sequence[Pixels], b: Sequence[Pixels], form: YuvForm, rows: range) -> bool:
    """Whether all samples that these rows depend on are equal."""
    down = form.halvings[0]
    chroma = slice(max(0, (rows.start >> down) - 1), (rows.stop >> down) + 1)
    luma = slice(rows.start, rows.stop)
    return all(
        np.array_equal(x[chroma if index else luma], y[chroma if index else luma])
        for index, (x, y) in enumerate(zip(a, b, strict=True))
    )


def empty_planes(form: YuvForm, height: int, width: int) -> Planes:
    """Planes for a picture of this size, not yet written."""
    luma = np.empty((height, width), form.dtype)
    if form.is_grey:
        return (luma,)
    size = form.chroma_size(height, width)
    return luma, np.empty(size, form.dtype), np.empty(size, form.dtype)


def write_planes(form: YuvForm, rgb: Pixels, planes: Planes, box: Box) -> None:
    """Convert the pixels of an (H, W, 3) uint16 picture in ``box``, and those that share their chroma."""
    height, width = rgb.shape[:2]
    top, left = (
        box.top // 2 * 2,
        max(0, box.left // 2 * 2 - 2),
    )  # chroma also reads one pixel to its left and right
    bottom, right = min(height, box.bottom + box.bottom % 2), min(width, box.right // 2 * 2 + 2)
    for row in range(top, bottom, _BAND_ROWS):
        end = min(bottom, row + _BAND_ROWS)
        _write_band(form, rgb, planes, Box(row, left, end, right))


def _write_band(form: YuvForm, rgb: Pixels, planes: Planes, box: Box) -> None:
    """Convert a box with even corners, or at the edge."""
    width = rgb.shape[1]
    first, last = max(0, box.left - 1), min(width, box.right + 1)
    read = rgb[box.top : box.bottom, first:last].astype(np.float32)
    inner = slice(box.left - first, box.right - first)
    forward = form.forward()
    luma = read[:, inner] @ forward[0] + np.float32(form.offsets[0])
    planes[0][box.top : box.bottom, box.left : box.right] = _quantised(luma, form)
    if form.is_grey:
        return
    down, across = form.halvings
    rows = slice(box.top >> down, -(-box.bottom >> down))
    columns = slice(box.left >> across, -(-box.right >> across))
    for index in (1, 2):
        chroma = read @ forward[index]
        shrunk = _shrunk(chroma, form, box.left - first, box.right - first)
        planes[index][rows, columns] = _quantised(shrunk + np.float32(form.offsets[1]), form)


def _shrunk(chroma: F32, form: YuvForm, left: int, right: int) -> F32:
    """Columns ``left`` to ``right``, filtered to the size of chroma planes."""
    down, across = form.halvings
    if down:
        pairs = chroma if chroma.shape[0] % 2 == 0 else np.concatenate([chroma, chroma[-1:]])
        chroma = (pairs[0::2] + pairs[1::2]) * np.float32(0.5)
    if not across:
        return chroma[:, left:right]
    centres = np.arange(left, right, 2)
    before = np.maximum(centres - 1, 0)
    after = np.minimum(centres + 1, chroma.shape[1] - 1)
    sides = chroma[:, before] + chroma[:, after]
    return (chroma[:, centres] * np.float32(0.5) + sides * np.float32(0.25)).astype(np.float32, copy=False)


def _quantised(levels: F32, form: YuvForm) -> Pixels:
    return np.clip(np.rint(levels), 0, 2**form.bits - 1).astype(form.dtype)


def _enlarged(chroma: Pixels, form: YuvForm, rows: range, width: int) -> F32:
    """These rows of a chroma plane, in the size of the picture."""
    down, across = (2**each for each in form.halvings)
    tall = _interpolated(chroma, (np.arange(rows.start, rows.stop) - (down - 1) / 2) / down, 0)
    return tall if across == 1 else _interpolated(tall, np.arange(width) / across, 1)


def _interpolated(plane: Pixels, places: npt.NDArray[np.float64], axis: int) -> F32:
    """Samples at ``places`` along an axis, linearly between neighbours; the edge is repeated."""
    inside = np.clip(places, 0, plane.shape[axis] - 1)
    low = np.floor(inside).astype(np.intp)
    high = np.minimum(low + 1, plane.shape[axis] - 1)
    share = (inside - low).astype(np.float32)
    weight = share[:, None] if axis == 0 else share[None, :]
    return (plane.take(low, axis) * (1 - weight) + plane.take(high, axis) * weight).astype(
        np.float32, copy=False
    )
