"""Sets of pixels as bits: (rows, words per row) of uint64, the first pixel in the lowest bit, none beyond the width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsesr import _native

PixelSet = NDArray[np.uint64]
_WORD_PX = 64


def pixel_set(flags: NDArray[np.bool_]) -> PixelSet:
    """The set of the pixels whose flag is True; (H, W) flags."""
    height, width = flags.shape
    row_bytes = -(-width // _WORD_PX) * (_WORD_PX // 8)
    packed = np.zeros((height, row_bytes), np.uint8)
    packed[:, : -(-width // 8)] = np.packbits(flags, axis=1, bitorder="little")
    return packed.view("<u8")


def flags_of(pixels: PixelSet, width: int) -> NDArray[np.bool_]:
    """(rows, width) flags of the pixels of a set."""
    return np.unpackbits(pixels.view(np.uint8), axis=1, count=width, bitorder="little").view(np.bool_)


def count_of(pixels: PixelSet) -> int:
    """Number of pixels in a set."""
    return int(np.unpackbits(pixels.view(np.uint8)).sum())


def spread(pixels: PixelSet, width: int, by: int) -> PixelSet:
    """The pixels of a set, and all within a square of ``by`` pixels around each."""
    return _native.spread_pixels(pixels, width, by)


def shrunk(pixels: PixelSet, width: int, by: int) -> PixelSet:
    """The pixels of a map that is smaller by the factor ``by`` that have one of these in their ``by`` x ``by``."""
    rows, columns = pixels.shape[0] // by * by, width // by * by
    tall = np.bitwise_or.reduce([pixels[row:rows:by] for row in range(by)])
    flags = flags_of(tall, width)
    return pixel_set(np.logical_or.reduce([flags[:, column:columns:by] for column in range(by)]))
