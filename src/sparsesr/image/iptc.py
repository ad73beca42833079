"""IPTC records and the Photoshop resources around them, in the forms of JPEG, TIFF and PNG.

JPEG and TIFF hold a list of resources, one of which is the record; TIFF may also hold the record alone. A preview
among the resources shows the smaller image and is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SIGNATURE = b"8BIM"
_RECORD = 0x0404
_PREVIEWS = (0x0409, 0x040C)


def resources_of(block: bytes | None) -> bytes | None:
    """The resources without previews; None if there are none. Accepts a bare IPTC record as well."""
    if not block:
        return None
    if block[:1] == b"\x1c":
        return _resource(_RECORD, b"\0\0", block)
    kept = [whole for kind, _, whole in _resources(block) if kind not in _PREVIEWS]
    return b"".join(kept) or None


def record_of(resources: bytes) -> bytes | None:
    """The IPTC record alone, as in TIFF."""
    return next((body for kind, body, _ in _resources(resources) if kind == _RECORD), None)


def raw_profile(resources: bytes) -> bytes:
    """The text that ImageMagick writes into a PNG under the keyword "Raw profile type iptc"."""
    digits = resources.hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    return f"\niptc\n{len(resources):8d}\n{chr(10).join(lines)}\n".encode("ascii")


def _resource(kind: int, name: bytes, body: bytes) -> bytes:
    return (
        _SIGNATURE
        + struct.pack(">H", kind)
        + name
        + struct.pack(">I", len(body))
        + body
        + bytes(len(body) % 2)
    )


def _resources(block: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (kind, content, the whole resource)."""
    start = 0
    while block[start : start + 4] == _SIGNATURE and start + 7 < len(block):
        kind = struct.unpack_from(">H", block, start + 4)[0]
        name_length = block[start + 6] + 1
        at = start + 6 + name_length + name_length % 2
        if at + 4 > len(block):
            return
        length = struct.unpack_from(">I", block, at)[0]
        end = at + 4 + length
        if end > len(block):
            return
        yield int(kind), block[at + 4 : end], _padded(block[start:end], length)
        start = end + length % 2


def _padded(whole: bytes, length: int) -> bytes:
    return whole + bytes(length % 2)
