"""Kinds of JPEG that libjpeg cannot decode, by their frame header (ITU-T T.81, table B.1), for a refusal by name."""

from __future__ import annotations

import struct

from sparsesr.image.source import OpenSource

_FRAMES = {
    0xC3: "lossless JPEG",
    0xC5: "hierarchical JPEG",
    0xC6: "hierarchical JPEG",
    0xC7: "hierarchical lossless JPEG",
    0xC9: "JPEG with arithmetic coding",
    0xCA: "JPEG with arithmetic coding",
    0xCB: "lossless JPEG with arithmetic coding",
    0xCD: "hierarchical JPEG",
    0xCE: "hierarchical JPEG",
    0xCF: "hierarchical lossless JPEG",
    0xF7: "JPEG-LS",
}
_ORDINARY_FRAMES = (0xC0, 0xC1, 0xC2)
_WITHOUT_BODY = (0x01, *range(0xD0, 0xD9))
_MAX_SEGMENTS = 10_000


def unusual_kind(source: OpenSource) -> str | None:
    """The kind of a JPEG that is not baseline, extended or progressive with 8 bits; None for those."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        head = source.read_at(at, 5)
        if len(head) < 5 or head[0] != 0xFF:
            return None
        marker = head[1]
        if marker == 0xFF or marker in _WITHOUT_BODY:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _ORDINARY_FRAMES and head[4] != 8:
            return f"JPEG with {head[4]} bits per sample"
        if marker in _FRAMES or marker in _ORDINARY_FRAMES:
            return _FRAMES.get(marker)
        at += 2 + int(struct.unpack(">H", head[2:4])[0])
    return None
