"""Segments of a JPEG before its pixels (ITU-T T.81, annex B)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from sparsesr.image.source import OpenSource

_SOS = 0xDA
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_MAX_STEPS = 100_000
"""More than any camera writes; a file of fill bytes would take a step for each."""


class Segment(NamedTuple):
    """A segment and where its body is."""

    marker: int
    at: int
    """Where the body starts."""
    length: int
    """Bytes of the body, as stated."""


def segments(source: OpenSource) -> Iterator[Segment]:
    """The segments up to the pixels, or up to damage."""
    at = 2
    for _ in range(_MAX_STEPS):
        head = source.read_at(at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == _SOS:
            return
        marker = head[1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            length = max(struct.unpack(">H", head[2:])[0] - 2, 0)
            yield Segment(marker, at + 4, length)
            at += 4 + length
