"""The form of PNG chunks: to write one, and to read a run of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a complete PNG chunk: length, kind, body, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks_in(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each of a run of whole chunks."""
    at = 0
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length
