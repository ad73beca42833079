"""Comments of a GIF (GIF89a, section 24), which libvips does not read."""

from __future__ import annotations

from collections.abc import Iterator

from sparsesr.image.source import OpenSource
from sparsesr.limits import ImageLimits

_EXTENSION, _COMMENT, _IMAGE = 0x21, 0xFE, 0x2C
_HEADER_BYTES, _IMAGE_BYTES = 13, 10


def gif_comments(source: OpenSource, limits: ImageLimits) -> tuple[bytes, ...]:
    """The comments before, between and after the frames; those up to where the file is damaged."""
    found: list[bytes] = []
    left = limits.max_metadata_bytes
    for body in _comments(source):
        left -= len(body)
        if left < 0:
            break
        found.append(body)
    return tuple(found)


def _comments(source: OpenSource) -> Iterator[bytes]:
    at = _HEADER_BYTES + _table_bytes(source, _HEADER_BYTES - 3)
    while head := source.read_at(at, 2):
        if head[0] == _EXTENSION and len(head) == 2:
            blocks, at = _sub_blocks(source, at + 2)
            if head[1] == _COMMENT:
                yield b"".join(source.read_at(*place) for place in blocks)
        elif head[0] == _IMAGE:
            packed_at = at + _IMAGE_BYTES - 1
            _, at = _sub_blocks(
                source, packed_at + 1 + _table_bytes(source, packed_at) + 1
            )  # 1: size of codes
        else:
            return


def _table_bytes(source: OpenSource, packed_at: int) -> int:
    """Bytes of the colour table that the field of flags at ``packed_at`` announces."""
    packed = source.read_at(packed_at, 1)
    return 3 << ((packed[0] & 7) + 1) if packed and packed[0] & 0x80 else 0


def _sub_blocks(source: OpenSource, at: int) -> tuple[list[tuple[int, int]], int]:
    """Place and size of each sub-block from ``at``, and where the next block starts."""
    places: list[tuple[int, int]] = []
    while (size := source.read_at(at, 1)) and size[0]:
        places.append((at + 1, size[0]))
        at += 1 + size[0]
    return places, at + 1
