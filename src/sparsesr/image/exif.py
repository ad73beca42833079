"""EXIF blocks: read the orientation, and update the few tags that upscaling invalidates.

All other bytes stay as they were, so that maker notes, whose inner offsets are undocumented, keep working.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PREFIX = b"Exif\0\0"
_ORIENTATION, _EXIF_IFD = 0x0112, 0x8769
_IMAGE_WIDTH, _IMAGE_LENGTH = 0x0100, 0x0101
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_SHORT, _LONG = 3, 4


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
        if tag == _ORIENTATION and kind == _SHORT:
            value = int(struct.unpack_from(order + "H", exif, position + 8)[0])
            return value if 1 <= value <= 8 else 1
    return 1


def updated(exif: bytes, height: int, width: int) -> bytes:
    """Return the block with orientation 1, the given size, and its outdated thumbnail unlinked."""
    block, order, first = bytearray(exif), _order(exif), _first_ifd(exif)
    sizes = {_IMAGE_WIDTH: width, _IMAGE_LENGTH: height, _PIXEL_X: width, _PIXEL_Y: height}
    for tag, _, position in _entries(exif, first):
        if tag == _ORIENTATION:
            struct.pack_into(order + "HIHH", block, position + 2, _SHORT, 1, 1, 0)
        elif tag in sizes:
            struct.pack_into(order + "HII", block, position + 2, _LONG, 1, sizes[tag])
        elif tag == _EXIF_IFD:
            inner = int(struct.unpack_from(order + "I", exif, position + 8)[0])
            for inner_tag, _, inner_position in _entries(exif, inner):
                if inner_tag in sizes:
                    struct.pack_into(order + "HII", block, inner_position + 2, _LONG, 1, sizes[inner_tag])
    _unlink_thumbnail(block, order, first)
    return bytes(block)


def _order(exif: bytes) -> str:
    return "<" if exif[:2] == b"II" else ">"


def _first_ifd(exif: bytes) -> int:
    return int(struct.unpack_from(_order(exif) + "I", exif, 4)[0])


def _entries(exif: bytes, ifd: int) -> Iterator[tuple[int, int, int]]:
    """Yield (tag, type, position of the 12-byte entry) for each entry that lies inside the block."""
    order = _order(exif)
    if not 8 <= ifd <= len(exif) - 2:
        return
    count = int(struct.unpack_from(order + "H", exif, ifd)[0])
    for position in range(ifd + 2, min(ifd + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", exif, position)
        yield int(tag), int(kind), position


def _unlink_thumbnail(block: bytearray, order: str, first: int) -> None:
    """Clear the link from the first directory to the second, which describes the thumbnail."""
    if 8 <= first <= len(block) - 2:
        link = first + 2 + 12 * int(struct.unpack_from(order + "H", block, first)[0])
        if link + 4 <= len(block):
            struct.pack_into(order + "I", block, link, 0)
