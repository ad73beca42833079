"""Boxes of HEIF and AVIF files (ISO/IEC 14496-12, 23008-12): the colours stated by numbers, which libvips ignores."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

from sparsesr.image.source import OpenSource, in_memory
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
    for kind, at, size in islice(_places(source), _MAX_TOP_BOXES):
        if kind == b"meta":
            return source.read_at(at, min(size, _MAX_META_BYTES))
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    source = in_memory(data)
    return ((kind, source.read_at(at, size)) for kind, at, size in _places(source))


def _places(source: OpenSource) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place of the body and its stated size in bytes, of each box up to the end or to damage."""
    offset = 0
    while len(head := source.read_at(offset, 16)) >= 8:
        size, kind = struct.unpack(">I4s", head[:8])
        start = 8
        if size == 1 and len(head) == 16:
            size, start = int(struct.unpack(">Q", head[8:])[0]), 16
        if size < start:
            return
        yield kind, offset + start, size - start
        offset += size
