"""EXIF blocks: read the orientation, and update the few tags that upscaling invalidates.

All other bytes stay as they were, so that maker notes, whose inner offsets are undocumented, keep working.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction

from sparsesr.image.decoded_image import resolution_of
from sparsesr.image.tiff_tags import RESOLUTION_UNIT

_PREFIX = b"Exif\0\0"
_ORIENTATION, _EXIF_IFD, _INTEROPERABILITY_IFD = 0x0112, 0x8769, 0xA005
_INNER = (_EXIF_IFD, _INTEROPERABILITY_IFD)
"""Links to directories inside: from the main one, then from that of EXIF."""
_WIDTHS, _HEIGHTS = (0x0100, 0xA002, 0x1001), (0x0101, 0xA003, 0x1002)
_SUBJECT_AREA, _SUBJECT_LOCATION = 0x9214, 0xA214
X_RESOLUTION, Y_RESOLUTION = 0x011A, 0x011B
"""Of the print."""
INCH, UNITS_MM = 2, {2: 25.4, 3: 10.0}
_FOCAL_PLANE_X, _FOCAL_PLANE_Y = 0xA20E, 0xA20F
"""Resolution of the sensor, in pixels of the image."""
_WINDOWS_PREVIEW = range(0x5012, 0x5035)
_PREVIEW_OFFSET, _PREVIEW_LENGTH = 0x0201, 0x0202
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_INTEGERS = {1: "B", _SHORT: "H", _LONG: "I"}
_MAX_SHORT, _MAX_LONG = 0xFFFF, 0xFFFF_FFFF


def normalised(raw: bytes | None) -> bytes | None:
    """Return an EXIF block from its TIFF header on, or None if it is not one."""
    if raw is None:
        return None
    block = raw[len(_PREFIX) :] if raw.startswith(_PREFIX) else raw
    return block if block[:4] in (b"II*\0", b"MM\0*") and len(block) >= 8 else None


def orientation(exif: bytes | None) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if absent or invalid."""
    if exif is None:
        return 1
    order = _order(exif)
    for tag, kind, position in _entries(exif, _first_ifd(exif)):
        if tag == _ORIENTATION and kind in _INTEGERS:  # SHORT is right; libvips accepts all of them
            value = int(struct.unpack_from(order + _INTEGERS[kind], exif, position + 8)[0])
            return value if 1 <= value <= 8 else 1
    return 1


def print_resolution(exif: bytes) -> tuple[float, float] | None:
    """Horizontal and vertical pixels per mm; None if the block does not state both with a unit."""
    order, values, unit = _order(exif), dict[int, float](), INCH
    for tag, kind, position in _entries(exif, _first_ifd(exif)):
        if tag in (X_RESOLUTION, Y_RESOLUTION) and kind == _RATIONAL:
            at = int(struct.unpack_from(order + "I", exif, position + 8)[0])
            above, below = struct.unpack_from(order + "II", exif, at) if at <= len(exif) - 8 else (0, 0)
            values[tag] = above / below if below else 0.0
        elif tag == RESOLUTION_UNIT and kind == _SHORT:
            unit = int(struct.unpack_from(order + "H", exif, position + 8)[0])
    if len(values) < 2 or unit not in UNITS_MM:
        return None
    return resolution_of(values[X_RESOLUTION] / UNITS_MM[unit], values[Y_RESOLUTION] / UNITS_MM[unit])


def updated(exif: bytes, height: int, width: int, before: tuple[int, int] | None = None) -> bytes:
    """Return the block with orientation 1, the given size, and without its outdated thumbnail.

    ``before``: (height, width) of the upright image that the block describes. Positions of the subject and the
    resolution of the sensor, both in pixels, are scaled by the ratio; positions in a turned image are removed.
    """
    return _Update(exif, height, width, before).block()


class _Update:
    """Edits of a copy of a block, in place."""

    def __init__(self, exif: bytes, height: int, width: int, before: tuple[int, int] | None) -> None:
        self._exif, self._out, self._order = exif, bytearray(exif), _order(exif)
        self._sizes = dict.fromkeys(_WIDTHS, width) | dict.fromkeys(_HEIGHTS, height)
        self._turned = orientation(exif)
        self._seen: set[int] = set()
        """Directories; in a damaged block, one may link to itself."""
        self._down, self._across = (
            (Fraction(1), Fraction(1))
            if before is None
            else (Fraction(height, before[0]), Fraction(width, before[1]))
        )

    def block(self) -> bytes:
        first = _first_ifd(self._exif)
        self._directory(first)
        _unlink_thumbnail(self._out, self._order, first)
        return bytes(self._out)

    def _directory(self, ifd: int, depth: int = 0) -> None:
        if ifd in self._seen:
            return
        self._seen.add(ifd)
        is_main = depth == 0
        false: list[int] = []
        for tag, kind, position in _entries(self._exif, ifd):
            if tag == _ORIENTATION and is_main:
                struct.pack_into(self._order + "HIHH", self._out, position + 2, _SHORT, 1, 1, 0)
            elif tag in self._sizes:
                struct.pack_into(self._order + "HII", self._out, position + 2, _LONG, 1, self._sizes[tag])
            elif tag in _INNER[depth : depth + 1]:
                inner = int(struct.unpack_from(self._order + "I", self._exif, position + 8)[0])
                self._directory(inner, depth + 1)
            elif tag in (_SUBJECT_AREA, _SUBJECT_LOCATION):
                if self._turned != 1:
                    false.append(position)
                elif kind == _SHORT:
                    self._scale_positions(position)
            elif tag in (_FOCAL_PLANE_X, _FOCAL_PLANE_Y) and kind == _RATIONAL:
                is_across = (tag == _FOCAL_PLANE_X) == (self._turned < 5)
                self._scale_resolution(position, self._across if is_across else self._down)
            elif tag in _WINDOWS_PREVIEW and is_main:
                false.append(position)
        if is_main and self._turned >= 5:
            self._swap_print_resolutions(ifd)
        self._remove(ifd, false)

    def _swap_print_resolutions(self, ifd: int) -> None:
        """Exchange all but the tags of two entries: types, counts, and values or where these are."""
        at = {tag: position for tag, _, position in _entries(self._exif, ifd)}
        x, y = at.get(X_RESOLUTION), at.get(Y_RESOLUTION)
        if x is not None and y is not None:
            self._out[x + 2 : x + 12], self._out[y + 2 : y + 12] = (
                self._exif[y + 2 : y + 12],
                self._exif[x + 2 : x + 12],
            )

    def _scale_positions(self, position: int) -> None:
        """x and y, then nothing, a diameter, or width and height."""
        count = int(struct.unpack_from(self._order + "I", self._exif, position + 4)[0])
        at = position + 8 if count <= 2 else self._value_at(position, 2 * count)
        if at is None or not 2 <= count <= 4:
            return
        for index in range(count):
            factor = self._down if index in (1, 3) else self._across
            value = int(struct.unpack_from(self._order + "H", self._exif, at + 2 * index)[0])
            struct.pack_into(
                self._order + "H", self._out, at + 2 * index, min(round(value * factor), _MAX_SHORT)
            )

    def _scale_resolution(self, position: int, factor: Fraction) -> None:
        at = self._value_at(position, 8)
        if at is None:
            return
        above, below = (int(part) for part in struct.unpack_from(self._order + "II", self._exif, at))
        if below == 0:
            return
        value = Fraction(above, below) * factor
        denominator = below
        while denominator > 1 and value * denominator > _MAX_LONG:
            denominator //= 10
        struct.pack_into(
            self._order + "II", self._out, at, min(round(value * denominator), _MAX_LONG), max(denominator, 1)
        )

    def _value_at(self, position: int, size: int) -> int | None:
        """Where the value of an entry with more than four bytes lies; None if that is outside the block."""
        at = int(struct.unpack_from(self._order + "I", self._exif, position + 8)[0])
        return at if 8 <= at <= len(self._exif) - size else None

    def _remove(self, ifd: int, positions: list[int]) -> None:
        """Close the gaps of removed entries, from the last; their values stay behind, unreferenced."""
        for position in sorted(positions, reverse=True):
            count = int(struct.unpack_from(self._order + "H", self._out, ifd)[0])
            end = ifd + 2 + 12 * count + 4  # the link to the next directory moves too
            if end <= len(self._out):
                self._out[position:end] = self._out[position + 12 : end] + bytes(12)
                struct.pack_into(self._order + "H", self._out, ifd, count - 1)


def _order(exif: bytes | bytearray) -> str:
    return "<" if exif[:2] == b"II" else ">"


def _first_ifd(exif: bytes) -> int:
    return int(struct.unpack_from(_order(exif) + "I", exif, 4)[0])


def _entries(exif: bytes | bytearray, ifd: int) -> Iterator[tuple[int, int, int]]:
    """Yield (tag, type, position of the 12-byte entry) for each entry that lies inside the block."""
    order = _order(exif)
    if not 8 <= ifd <= len(exif) - 2:
        return
    count = int(struct.unpack_from(order + "H", exif, ifd)[0])
    for position in range(ifd + 2, min(ifd + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", exif, position)
        yield int(tag), int(kind), position


def _unlink_thumbnail(block: bytearray, order: str, first: int) -> None:
    """Clear the link from the first directory to the second, which describes the thumbnail, and the thumbnail."""
    if not 8 <= first <= len(block) - 2:
        return
    link = first + 2 + 12 * int(struct.unpack_from(order + "H", block, first)[0])
    if link + 4 > len(block):
        return
    _blank_preview(block, order, int(struct.unpack_from(order + "I", block, link)[0]))
    struct.pack_into(order + "I", block, link, 0)


def _blank_preview(block: bytearray, order: str, ifd: int) -> None:
    """Overwrite a JPEG preview with zeros, so that the old picture cannot be found in the new file."""
    values = {
        tag: int(struct.unpack_from(order + "I", block, position + 8)[0])
        for tag, kind, position in _entries(block, ifd)
        if kind == _LONG
    }
    start, length = values.get(_PREVIEW_OFFSET, 0), values.get(_PREVIEW_LENGTH, 0)
    if block.startswith(b"\xff\xd8", start) and 8 <= start <= len(block) - length:
        block[start : start + length] = bytes(length)
