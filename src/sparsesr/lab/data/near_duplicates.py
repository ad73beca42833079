"""Near-duplicates of pictures: the same photograph in another size, crop, rotation or mirroring.

Square windows of every picture are described by 16x16 grey thumbnails and by 63-bit DCT hashes; windows of two pictures
are compared in the eight rotations and mirrorings of one of them. Skies and other gradients resemble each other, so a
pair is reported only if both descriptions agree, and with its scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

from sparsesr.errors import InputError

Grey = NDArray[np.floating]

MIN_CORRELATION = 0.9
MAX_HASH_DISTANCE = 8

FINE_SIZES = (0.4, 0.5, 0.7, 0.85, 1.0)
COARSE_SIZES = (0.6, 0.8, 1.0)
"""Sides of the square windows, as shares of a picture's shorter side. The whole frame is described as well."""

_READ_PX = 192
_HASHED = 32
_LOW = 8
_THUMBNAIL = 16
_BLOCK = 2048
"""Windows compared at a time: bounds memory."""


@dataclass(frozen=True)
class Windows:
    """Descriptions of the windows of several pictures."""

    picture: NDArray[np.int64]
    """Index of the picture of each window, (N,)."""
    thumbnail: NDArray[np.float32]
    """(N, 256), zero mean and unit length: products are correlations. Plain windows are zeros."""
    hash: NDArray[np.uint64]
    """(N,); windows differ by the bits that differ."""


@dataclass(frozen=True, order=True)
class NearDuplicate:
    """A pair of pictures, by index, with the scores of their most alike windows."""

    candidate: int
    reference: int
    correlation: float
    hash_distance: int


def read_grey(path: Path) -> Grey:
    """Read a picture upright in grey, (H, W) in 0..255, shrunk while it is decoded.

    Raises:
        InputError: the file cannot be read as an image.
    """
    try:
        image = pyvips.Image.thumbnail(str(path), _READ_PX, height=_READ_PX, size="down", fail_on="truncated")
        image = image.flatten() if image.hasalpha() else image
        grey = image.colourspace("b-w").cast("float")
        return grey.numpy().reshape(grey.height, grey.width)
    except pyvips.Error:
        raise InputError("cannot be read as an image", where=str(path)) from None


def describe(pictures: Sequence[Grey], sizes: Sequence[float], *, symmetries: bool = False) -> Windows:
    """Describe windows of grey pictures, each (H, W); with ``symmetries``, in all rotations and mirrorings."""
    described = [_described(picture, sizes, symmetries=symmetries) for picture in pictures]
    owner = [np.full(len(hashes), index) for index, (_, hashes) in enumerate(described)]
    return Windows(
        np.concatenate([np.zeros(0, np.int64), *owner]),
        np.concatenate(
            [np.zeros((0, _THUMBNAIL**2), np.float32), *(thumbnails for thumbnails, _ in described)]
        ),
        np.concatenate([np.zeros(0, np.uint64), *(hashes for _, hashes in described)]),
    )


def near_duplicates(candidates: Windows, references: Windows) -> list[NearDuplicate]:
    """Pairs of pictures with windows that agree, in order; one of the two must be described with ``symmetries``."""
    best: dict[tuple[int, int], NearDuplicate] = {}
    for start in range(0, len(references.picture), _BLOCK):
        block = slice(start, start + _BLOCK)
        correlation = candidates.thumbnail @ references.thumbnail[block].T
        rows, columns = np.nonzero(correlation > MIN_CORRELATION)
        distance = _distances(candidates.hash[rows], references.hash[block][columns])
        agree = np.nonzero(distance <= MAX_HASH_DISTANCE)[0]
        for row, column, bits in zip(rows[agree], columns[agree], distance[agree], strict=True):
            pair = int(candidates.picture[row]), int(references.picture[block][column])
            found = NearDuplicate(*pair, float(correlation[row, column]), int(bits))
            if pair not in best or found.correlation > best[pair].correlation:
                best[pair] = found
    return sorted(best.values())


def _described(
    picture: Grey, sizes: Sequence[float], *, symmetries: bool
) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
    """Thumbnails and hashes of one picture's windows."""
    windows = list(_windows(picture, sizes))
    if symmetries:
        windows = [view for window in windows for view in _all_symmetries(window)]
    windows_NYX = np.stack(windows)
    return _unit_thumbnails(windows_NYX), _hashes(windows_NYX)


def _windows(picture: Grey, sizes: Sequence[float]) -> Iterator[Grey]:
    """32x32 means of the whole frame, then of squares on a grid in steps of at most a third of their side."""
    height, width = picture.shape
    yield _means(height) @ picture @ _means(width).T
    for size in sizes:
        side = max(1, round(size * min(height, width)))
        means = _means(side)
        for top in _positions(height, side):
            rows = means @ picture[top : top + side]
            for left in _positions(width, side):
                yield rows[:, left : left + side] @ means.T


def _positions(length: int, side: int) -> list[int]:
    steps = -(-3 * (length - side) // side)
    return np.linspace(0, length - side, steps + 1).round().astype(int).tolist()


@lru_cache(maxsize=1024)
def _means(length: int) -> Grey:
    """(32, length): means of equal parts of an axis, samples at the edges counted by their share."""
    edges = np.linspace(0, length, _HASHED + 1)
    start, end = edges[:-1, None], edges[1:, None]
    sample = np.arange(length)
    covered = np.clip(np.minimum(end, sample + 1) - np.maximum(start, sample), 0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def _all_symmetries(window: Grey) -> list[Grey]:
    rotated = [np.rot90(window, turns) for turns in range(4)]
    return rotated + [view.T for view in rotated]


def _unit_thumbnails(windows_NYX: Grey) -> NDArray[np.float32]:
    count = len(windows_NYX)
    small = windows_NYX.reshape(count, _THUMBNAIL, 2, _THUMBNAIL, 2).mean(axis=(2, 4)).reshape(count, -1)
    small -= small.mean(axis=1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    # A deviation below one grey level says nothing.
    return np.where(length > _THUMBNAIL, small / np.maximum(length, 1), 0).astype(np.float32)


def _hashes(windows_NYX: Grey) -> NDArray[np.uint64]:
    """The 63 lowest frequencies of a DCT but for the mean: whether each is above their median."""
    frequency, sample = np.arange(_LOW)[:, None], np.arange(_HASHED)
    cosines = np.cos(np.pi * frequency * (sample + 0.5) / _HASHED).astype(np.float32)
    low = (cosines @ windows_NYX @ cosines.T).reshape(len(windows_NYX), -1)[:, 1:]
    bits = low > np.median(low, axis=1, keepdims=True)
    return (bits.astype(np.uint64) << np.arange(bits.shape[1], dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


def _distances(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number of bits that differ, (N,)."""
    return np.unpackbits((a ^ b).view(np.uint8).reshape(len(a), 8), axis=1).sum(axis=1, dtype=np.int64)
