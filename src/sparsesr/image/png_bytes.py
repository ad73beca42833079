"""The form of PNG chunks: to write one, and to find those of a file or of a run of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from sparsesr.image.source import OpenSource, in_memory

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FRAME_BYTES = 12
"""Bytes of a chunk besides its body: length, kind, checksum."""


class Chunk(NamedTuple):
    """A chunk and where it is."""

    kind: bytes
    at: int
    """Where the chunk starts."""
    length: int
    """Bytes of the body, as stated."""

    def body(self, source: OpenSource, most_bytes: int | None = None) -> bytes:
        """The body, or the first bytes of it."""
        count = self.length if most_bytes is None else min(self.length, most_bytes)
        return source.read_at(self.at + 8, count)


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a complete PNG chunk: length, kind, body, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks_of(source: OpenSource, start: int = len(SIGNATURE)) -> Iterator[Chunk]:
    """The chunks of a PNG up to its end, behind which may be anything; the last one may be cut short."""
    at, kind = start, b""
    while at + 8 <= source.size and kind != b"IEND":
        length, kind = struct.unpack(">I4s", source.read_at(at, 8))
        yield Chunk(kind, at, length)
        at += length + FRAME_BYTES


def chunks_in(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each of a run of whole chunks."""
    source = in_memory(data)
    return ((each.kind, each.body(source)) for each in chunks_of(source, 0))
