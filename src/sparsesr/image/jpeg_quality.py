"""How strongly a JPEG was compressed, read from its quantisation tables (ITU-T T.81, annex B)."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator

import numpy as np

from sparsesr.image.jpeg_walk import segments
from sparsesr.image.source import OpenSource

_DQT = 0xDB
_FRAMES = (0xC0, 0xC1, 0xC2)
_COMPONENTS = 6
"""Where they begin in a frame header: name, sampling and table of each, a byte each."""
_STEPS = 64
_LUMA_STEPS = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
)
"""Of quality 50: table K.1 of the standard."""


def jpeg_quality(source: OpenSource) -> int | None:
    """The quality, 1 to 100, at which the luma steps of libjpeg are on average those of this JPEG.

    Exact for files of libjpeg; other encoders scale other tables, or have no quality at all. None if the header is
    damaged.
    """
    totals: dict[int, int] = {}
    luma: int | None = None
    for marker, at, length in segments(source):
        if marker == _DQT:
            totals.update(_totals(source.read_at(at, length)))
        elif marker in _FRAMES:
            luma = _table_of_luma(source.read_at(at, length)[_COMPONENTS:])
    total = None if luma is None else totals.get(luma)
    return None if total is None else quality_with(total / _STEPS)


def quality_with(mean_step: float) -> int:
    """The quality at which libjpeg's steps for luma have a mean nearest to this."""
    return min(range(1, 101), key=lambda quality: abs(_total_of(quality) - _STEPS * mean_step))


def _table_of_luma(components: bytes) -> int | None:
    """The number of its table; in RGB, green is nearest to luma. None if the header is cut short."""
    at = 5 if components[::3] == b"RGB" else 2
    return components[at] if at < len(components) else None


def _totals(body: bytes) -> Iterator[tuple[int, int]]:
    """The number of each table in a segment, and the sum of its steps."""
    at = 0
    while at < len(body):
        is_wide, number = body[at] >> 4, body[at] & 15
        layout = struct.Struct(f">{_STEPS}{'H' if is_wide else 'B'}")
        if at + 1 + layout.size > len(body):
            return
        yield number, sum(layout.unpack_from(body, at + 1))
        at += 1 + layout.size


@functools.cache
def _total_of(quality: int) -> int:
    """The sum of the steps that libjpeg uses (``jpeg_quality_scaling`` and ``jpeg_add_quant_table`` in jcparam.c)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return int(np.clip((_LUMA_STEPS * percent + 50) // 100, 1, 255).sum())
