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
    """The colours of the primary image's ``colr`` box of the kind ``nclx``; None if it has none."""
    for kind, body in _properties_with_colours(_meta(source)[4:]):  # after its version
        if kind == b"colr" and body[:4] == b"nclx" and len(body) >= 11:
            primaries, transfer = struct.unpack(">HH", body[4:8])
            # Decoders undo matrix and range, whichever they are.
            return of_code_points(primaries, transfer, 0, is_full_range=True)
    return None


def auxiliary_images(source: OpenSource) -> list[str]:
    """What HEIF files of phones hold beside the image: gain maps, depth maps and the like."""
    found = _meta(source)
    return [name for sign, name in _AUXILIARY if sign in found]


def _properties_with_colours(meta: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and body of each property of the primary image, or of the tile of it that states colours in its place.

    A file may hold other images with other colours, such as the rendition that a gain map leads to.
    """
    inner = dict(_boxes(meta))
    parts = list(_boxes(inner.get(b"iprp", b"")))
    stored = [each for kind, body in parts if kind == b"ipco" for each in _boxes(body)]
    owned = {item: at for kind, body in parts if kind == b"ipma" for item, at in _associations(body)}
    primary = _Fields(inner.get(b"pitm", b"")).item()
    for item in (primary, *_tiles(inner.get(b"iref", b""), primary)):
        found = [stored[at - 1] for at in owned.get(item, ()) if 0 < at <= len(stored)]
        if any(kind == b"colr" for kind, _ in found):
            return found
    return []


def _associations(ipma: bytes) -> Iterator[tuple[int, list[int]]]:
    """Each item and the numbers of its properties, from 1."""
    fields = _Fields(ipma)
    size, mask = (2, 0x7FFF) if fields.flags & 1 else (1, 0x7F)
    fields.number(4)  # of items
    while fields.are_left:
        yield fields.item(), [fields.number(size) & mask for _ in range(fields.number(1))]


def _tiles(iref: bytes, item: int) -> list[int]:
    """The items of which ``item`` is composed."""
    version, references = iref[:4], _boxes(iref[4:])
    for fields in (_Fields(version + body) for kind, body in references if kind == b"dimg"):
        if fields.item() == item:
            return [fields.item() for _ in range(fields.number(2))]
    return []


class _Fields:
    """Numbers of a box with a version, one after the other; 0 behind its end."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 4
        self.version, self.flags = body[:1], int.from_bytes(body[1:4], "big")

    @property
    def are_left(self) -> bool:
        return self._at < len(self._body)

    def number(self, size: int) -> int:
        self._at += size
        return int.from_bytes(self._body[self._at - size : self._at], "big")

    def item(self) -> int:
        """The number of an item, which has four bytes from version 1 on."""
        return self.number(2 if self.version in (b"", b"\0") else 4)


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
