"""Chunks of a WebP file (RFC 9649), and what they say of the pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sparsesr.image.source import OpenSource


def webp_chunks(source: OpenSource) -> Iterator[tuple[bytes, int, int]]:
    """Name, place of the body and its stated size in bytes, of each chunk."""
    at = 12
    while len(head := source.read_at(at, 8)) == 8:
        name, size = struct.unpack("<4sI", head)
        yield name, at + 8, size
        at += 8 + size + size % 2


def is_lossless_webp(source: OpenSource) -> bool:
    """True if the pixels of a still WebP are stored without loss."""
    names = (name for name, _, _ in webp_chunks(source))
    return next((name for name in names if name in (b"VP8L", b"VP8 ", b"ANMF")), b"") == b"VP8L"
