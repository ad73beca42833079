"""Kinds of JPEG that libjpeg cannot decode, by their frame header (ITU-T T.81, table B.1), for a refusal by name."""

from __future__ import annotations

from sparsesr.image.jpeg_walk import segments
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


def unusual_kind(source: OpenSource) -> str | None:
    """The kind of a JPEG that is not baseline, extended or progressive with 8 bits; None for those."""
    for marker, at, _ in segments(source):
        if marker in _FRAMES:
            return _FRAMES[marker]
        if marker in _ORDINARY_FRAMES:
            bits = source.read_at(at, 1)
            return f"JPEG with {bits[0]} bits per sample" if bits and bits[0] != 8 else None
    return None
