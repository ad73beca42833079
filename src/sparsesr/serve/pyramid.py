"""``Pyramid``: an image at full size, half, a quarter and so on, in tiles for viewers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import check_cancelled
from sparsesr.serve.store import Store, StoredFile

Pixels = npt.NDArray[np.uint8]
Cancelled = Callable[[], bool]
TILE_PX = 512
_BAND_ROWS = 256


@dataclass(frozen=True)
class Level:
    """One size of the image."""

    height: int
    width: int
    offset: int
    """Where its first tile begins in the file."""


@dataclass(frozen=True)
class Pyramid:
    """Tiles of all levels in one file: row by row, each tile contiguous, those at the ends smaller."""

    file: StoredFile
    levels: tuple[Level, ...]
    channels: int

    def tile(self, level: int, column: int, row: int) -> Pixels | None:
        """(H, W, C) of a tile, at most ``TILE_PX`` a side; None if there is none at this place."""
        if not 0 <= level < len(self.levels):
            return None
        place = self.levels[level]
        top, left = row * TILE_PX, column * TILE_PX
        if row < 0 or column < 0 or top >= place.height or left >= place.width:
            return None
        height, width = min(TILE_PX, place.height - top), min(TILE_PX, place.width - left)
        before = top * place.width + left * height
        data = self.file.read_at(place.offset + before * self.channels, height * width * self.channels)
        return np.frombuffer(data, np.uint8).reshape(height, width, self.channels) if data else None

    def region(self, top: int, left: int, height: int, width: int) -> Pixels | None:
        """(height, width, C) of the full size, which must lie within the image; None after its end."""
        out = np.empty((height, width, self.channels), np.uint8)
        for row in range(top // TILE_PX, -(-(top + height) // TILE_PX)):
            for column in range(left // TILE_PX, -(-(left + width) // TILE_PX)):
                tile = self.tile(0, column, row)
                if tile is None:
                    return None
                _paste(out, tile, row * TILE_PX - top, column * TILE_PX - left)
        return out


def _paste(out: Pixels, tile: Pixels, top: int, left: int) -> None:
    """Copy what of the tile lies in ``out``, where its corner is at (top, left), perhaps outside."""
    rows = slice(max(top, 0), min(top + tile.shape[0], out.shape[0]))
    columns = slice(max(left, 0), min(left + tile.shape[1], out.shape[1]))
    out[rows, columns] = tile[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def build(store: Store, pixels: npt.NDArray[Any], cancelled: Cancelled | None = None) -> Pyramid:
    """Write the levels of (H, W, C) uint8 pixels; LimitError if the store is full, nothing is left behind then."""
    file = store.create()
    try:
        levels: list[Level] = []
        while True:
            levels.append(Level(pixels.shape[0], pixels.shape[1], file.size))
            _append_tiles(file, pixels, cancelled)
            if max(pixels.shape[:2]) <= TILE_PX:
                return Pyramid(file, tuple(levels), pixels.shape[2])
            pixels = halved(pixels)
    except BaseException:
        file.close()
        raise


def _append_tiles(file: StoredFile, pixels: Pixels, cancelled: Cancelled | None) -> None:
    for top in range(0, pixels.shape[0], TILE_PX):
        check_cancelled(cancelled)
        for left in range(0, pixels.shape[1], TILE_PX):
            tile = np.ascontiguousarray(pixels[top : top + TILE_PX, left : left + TILE_PX])
            file.append(tile.data.cast("B"))


def halved(pixels: Pixels) -> Pixels:
    """Means of 2x2 pixels, rounded; an odd last row or column counts twice."""
    height, width = (-(-side // 2) for side in pixels.shape[:2])
    out = np.empty((height, width, pixels.shape[2]), np.uint8)
    for top in range(0, height, _BAND_ROWS):
        rows = pixels[2 * top : 2 * (top + _BAND_ROWS)].astype(np.uint16)
        odd = ((0, rows.shape[0] % 2), (0, rows.shape[1] % 2), (0, 0))
        rows = np.pad(rows, odd, mode="edge")
        total = rows[::2, ::2] + rows[1::2, ::2] + rows[::2, 1::2] + rows[1::2, 1::2]
        out[top : top + _BAND_ROWS] = (total + 2) // 4
    return out
