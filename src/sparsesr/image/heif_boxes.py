"""Boxes of HEIF and AVIF files (ISO/IEC 14496-12, 23008-12): the colours stated by numbers, which libvips ignores."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sparsesr.image.source import OpenSource
from sparsesr.image.stated_colours import StatedColours, of_code_points

_MAX_META_BYTES = 1 << 20
_MAX_TOP_BOXES = 100
_AUXILIARY = (
    (b"aux:hdrgainmap", "the HDR gain map"),
    (b"tmap", "the HDR gain map of its tone map"),
    (b"auxid:2", "the depth map"),
    (b"aux:disparity", "the depth map"),
)


def stated_by_heif(source: OpenSource) -> StatedColours | None:
    """The colours of the first ``colr`` box of the kind ``nclx``; None if there is none."""
    for kind, body in _boxes(_properties(source)):
        if kind == b"colr" and body[:4] == b"nclx" and len(body) >= 11:
            primaries, transfer = struct.unpack(">HH", body[4:8])
            # Decoders undo matrix and range, whichever they are.
            return of_code_points(primaries, transfer, 0, is_full_range=True)
    return None


def auxiliary_images(source: OpenSource) -> list[str]:
    """What HEIF files of phones hold beside the image: gain maps, depth maps and the like."""
    found = _meta(source)
    return [name for sign, name in _AUXILIARY if sign in found]


def _properties(source: OpenSource) -> bytes:
    """The body of the box meta/iprp/ipco."""
    body = _meta(source)[4:]  # after its version
    for name in (b"iprp", b"ipco"):
        body = next((inner for kind, inner in _boxes(body) if kind == name), b"")
    return body


def _meta(source: OpenSource) -> bytes:
    offset = 0
    for _ in range(_MAX_TOP_BOXES):
        head = source.read_at(offset, 16)
        if len(head) < 8:
            return b""
        size, kind = struct.unpack(">I4s", head[:8])
        start = 8
        if size == 1 and len(head) == 16:
            size, start = int(struct.unpack(">Q", head[8:])[0]), 16
        if kind == b"meta":
            return source.read_at(offset + start, min(max(size - start, 0), _MAX_META_BYTES))
        if size < start:
            return b""
        offset += size
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size
