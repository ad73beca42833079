"""Georeference of a TIFF file: kept, with the size of a pixel corrected.

GeoTIFF (OGC 19-008r4) maps positions in the raster to the ground. In a raster of areas, position 0 is the outer edge of
the first pixel, so that positions are multiplied by the scale. In a raster of points it is the pixel's centre, and the
centres of the result lie elsewhere.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from sparsesr.image.tiff_tags import Directory, Tag, integers

PIXEL_SCALE, TIE_POINTS, MATRIX, RPC = 33550, 33922, 34264, 50844
GEO_KEYS, GEO_DOUBLES, GEO_TEXT = 34735, 34736, 34737
GDAL_METADATA, GDAL_NODATA = 42112, 42113
GEO_TAGS = (PIXEL_SCALE, TIE_POINTS, MATRIX, RPC, GEO_KEYS, GEO_DOUBLES, GEO_TEXT, GDAL_METADATA, GDAL_NODATA)
_RASTER_TYPE_KEY, _POINTS = 1025, 2
_DOUBLE = 12
# Bounded, or a damaged text would take the square of its length.
_STATISTICS = re.compile(rb"<Item [^<>]{0,200}name=\"STATISTICS_\w{1,50}\"[^<>]{0,200}>[^<]*</Item>\s*")


@dataclass(frozen=True)
class GeoTags:
    """The tags in the byte order of their file ("<" or ">")."""

    order: str
    tags: Directory


@dataclass(frozen=True)
class _Ratios:
    """Output pixels per input pixel."""

    across: float
    down: float
    is_of_points: bool

    def place(self, position: float, ratio: float) -> float:
        """A position in the result's raster."""
        return self.centre(position, ratio) if self.is_of_points else position * ratio

    @staticmethod
    def centre(position: float, ratio: float) -> float:
        """A position counted from the centre of the first pixel."""
        return (position + 0.5) * ratio - 0.5


def scaled(geo: GeoTags, before: tuple[int, int], after: tuple[int, int]) -> GeoTags:
    """The tags for a raster that covers the same ground with other pixels; sizes are (height, width)."""
    ratios = _Ratios(
        float(Fraction(after[1], before[1])), float(Fraction(after[0], before[0])), _is_of_points(geo)
    )
    tags = dict(geo.tags)
    for tag, change in _CHANGES.items():
        entry = tags.get(tag)
        if entry is None or entry.kind != _DOUBLE:
            continue
        values = list(struct.unpack(f"{geo.order}{entry.count}d", entry.value))
        tags[tag] = Tag(
            _DOUBLE, entry.count, struct.pack(f"{geo.order}{entry.count}d", *change(values, ratios))
        )
    if GDAL_METADATA in tags:
        text = _STATISTICS.sub(b"", tags[GDAL_METADATA].value)
        tags[GDAL_METADATA] = Tag(2, len(text), text)
    return GeoTags(geo.order, tags)


def _is_of_points(geo: GeoTags) -> bool:
    keys = integers(geo.tags, geo.order, GEO_KEYS)
    return any(keys[at : at + 4] == [_RASTER_TYPE_KEY, 0, 1, _POINTS] for at in range(4, len(keys) - 3, 4))


def _pixel_scale(values: list[float], ratios: _Ratios) -> list[float]:
    return [values[0] / ratios.across, values[1] / ratios.down, *values[2:]] if len(values) >= 2 else values


def _tie_points(values: list[float], ratios: _Ratios) -> list[float]:
    """Each point: column, row, depth in the raster; then x, y, z on the ground."""
    out = list(values)
    for at in range(0, len(values) - 5, 6):
        out[at] = ratios.place(values[at], ratios.across)
        out[at + 1] = ratios.place(values[at + 1], ratios.down)
    return out


def _matrix(values: list[float], ratios: _Ratios) -> list[float]:
    """A 4 x 4 matrix from (column, row, depth, 1) to the ground."""
    if len(values) != 16:
        return values
    out = list(values)
    # The input's position of the result's position 0.
    column = 0.5 / ratios.across - 0.5 if ratios.is_of_points else 0.0
    row = 0.5 / ratios.down - 0.5 if ratios.is_of_points else 0.0
    for at in range(0, 16, 4):
        out[at], out[at + 1] = values[at] / ratios.across, values[at + 1] / ratios.down
        out[at + 3] = values[at + 3] + values[at] * column + values[at + 1] * row
    return out


def _rational_polynomials(values: list[float], ratios: _Ratios) -> list[float]:
    """After two errors: offsets of line and sample, three more, and their scales; positions are of centres."""
    if len(values) != 92:
        return values
    out = list(values)
    out[2], out[3] = ratios.centre(values[2], ratios.down), ratios.centre(values[3], ratios.across)
    out[7], out[8] = values[7] * ratios.down, values[8] * ratios.across
    return out


_CHANGES: dict[int, Callable[[list[float], _Ratios], list[float]]] = {
    PIXEL_SCALE: _pixel_scale,
    TIE_POINTS: _tie_points,
    MATRIX: _matrix,
    RPC: _rational_polynomials,
}
