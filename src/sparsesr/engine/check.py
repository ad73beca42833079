"""Plausibility check of results: a visibly broken image must never be reported as a success.

Here a result is compared with its input. Enlarging preserves the mean colour of photographs, but not of every
pattern: dithering and stripes of one pixel may become brighter or darker. A result whose colour moved is therefore
only suspected, and :mod:`sparsesr.engine.second_opinion` decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.plan import Box
from sparsesr.errors import ResultError, Wording
from sparsesr.image.samples import peak_of

Pixels = npt.NDArray[Any]
Means = npt.NDArray[np.float64]

_IMAGE_TOLERANCE, _BLOCK_TOLERANCE = 12 / 255, 20 / 255
_BORDER_TOLERANCE_PX = 40 / 255
"""Extra tolerance for borders, where networks read zeros beyond the image; measured on small noise images."""
_BLOCK_PX = 32


@dataclass(frozen=True)
class Shift:
    """Where the mean colour of a result differs most from that of its input."""

    box: Box
    """The block of LR pixels."""
    block_levels: float
    """Largest difference of a channel's mean in the block, in levels of 255."""
    image_levels: float
    """The same over the whole image."""
    is_of_image: bool
    """True if the difference over the whole image is suspicious, not only that of the block."""


def suspicious_shift(
    pixels: Pixels, upscaled: Pixels, scale: int, attention: Mapping[str, npt.NDArray[np.float32]], model: str
) -> Shift | None:
    """Compare ``upscaled`` with ``pixels``; None if nothing is suspicious.

    Suspicious is a change of the mean of a channel by more than 12/255 over the image, or 20/255 over a block of about
    32 x 32 LR pixels, each plus 40/255 divided by the shorter side in pixels.

    Raises:
        ResultError: the size is wrong, or values are not finite (including the attention vectors, since integer
            pixels hide a NaN).
    """
    height, width = pixels.shape[:2]
    if upscaled.shape != (height * scale, width * scale, 3) or upscaled.dtype != pixels.dtype:
        raise broken(model, f"returned {upscaled.shape} {upscaled.dtype} for {pixels.shape}")
    vectors_finite = all(bool(np.isfinite(vector).all()) for vector in attention.values())
    if not vectors_finite or (upscaled.dtype.kind == "f" and not _is_finite(upscaled)):
        raise broken(model, "the result contains values that are not numbers")
    rows, columns = _edges(height), _edges(width)
    shifts = block_means(upscaled, rows * scale, columns * scale) - block_means(pixels, rows, columns)
    return _worst(shifts, rows, columns)


def allowed_shift(height: int, width: int) -> float:
    """Change of the mean, 0..1, that is not suspicious for an image of this size in LR pixels."""
    return _IMAGE_TOLERANCE + _BORDER_TOLERANCE_PX / min(height, width)


def broken(model: str, what: str) -> ResultError:
    """The error for a result of this model."""
    return ResultError(f"{model}: {what}", remedy=Wording("try another {}, or `sparsesr doctor`", "model"))


def block_means(pixels: Pixels, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Means:
    """Means (blocks down, blocks across, 3) on a 0..1 scale; ``rows`` and ``columns`` are the edges of the blocks.

    Every pixel counts: samples on a grid would see only one phase of a fine pattern.
    """
    exact = np.float64 if pixels.dtype.kind == "f" else np.uint32
    out = np.empty((len(rows) - 1, len(columns) - 1, 3))
    for index, (top, bottom) in enumerate(itertools.pairwise(rows)):
        sums = pixels[top:bottom].reshape(bottom - top, -1).sum(axis=0, dtype=exact)
        by_column = sums.reshape(-1, 3).astype(np.float64)
        counts = np.diff(columns)[:, None] * (bottom - top)
        out[index] = np.add.reduceat(by_column, columns[:-1], axis=0) / counts
    peak = peak_of(pixels.dtype)
    return out / peak


def _is_finite(pixels: Pixels) -> bool:
    return all(bool(np.isfinite(row).all()) for row in pixels)


def _edges(size: int) -> npt.NDArray[np.intp]:
    """Edges of blocks of nearly equal length that cover ``size`` pixels."""
    return np.linspace(0, size, max(1, round(size / _BLOCK_PX)) + 1).round().astype(np.intp)


def _worst(shifts: Means, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Shift | None:
    areas = np.diff(rows)[:, None] * np.diff(columns)
    of_image = float(np.abs((shifts * (areas / areas.sum())[..., None]).sum(axis=(0, 1))).max())
    of_blocks = np.abs(shifts).max(axis=2)
    row, column = (int(index) for index in np.unravel_index(int(of_blocks.argmax()), of_blocks.shape))
    box = Box(int(rows[row]), int(columns[column]), int(rows[row + 1]), int(columns[column + 1]))
    of_block = float(of_blocks[row, column])
    is_of_image = of_image > allowed_shift(int(rows[-1]), int(columns[-1]))
    allowed = _BLOCK_TOLERANCE + _BORDER_TOLERANCE_PX / min(box.height, box.width)
    if not is_of_image and of_block <= allowed:
        return None
    return Shift(box, 255 * of_block, 255 * of_image, is_of_image)
