"""Blocks of a GIF (GIF89a), for what libvips does not read: comments, and the place of the first frame."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.image.source import OpenSource
from sparsesr.limits import ImageLimits

_EXTENSION, _COMMENT, _IMAGE = 0x21, 0xFE, 0x2C
_HEADER_BYTES, _IMAGE_BYTES = 13, 10
_OPAQUE = 255


def gif_comments(source: OpenSource, limits: ImageLimits) -> tuple[bytes, ...]:
    """The comments before, between and after the frames; those up to where the file is damaged."""
    found: list[bytes] = []
    left = limits.max_metadata_bytes
    for kind, _, places in _blocks(source):
        if kind != _COMMENT:
            continue
        left -= sum(size for _, size in places)
        if left < 0:
            break
        found.append(b"".join(source.read_at(*place) for place in places))
    return tuple(found)


def with_empty_canvas(samples: npt.NDArray[Any], source: OpenSource) -> npt.NDArray[Any]:
    """Opaque samples of the first frame, with alpha 0 where it does not cover the canvas.

    libvips has black there if no frame has transparency.
    """
    at = next((at for kind, at, _ in _blocks(source) if kind == _IMAGE), None)
    stated = b"" if at is None else source.read_at(at + 1, 8)
    if len(stated) < 8:
        return samples
    left, top, width, height = struct.unpack("<HHHH", stated)
    alpha = np.zeros((*samples.shape[:2], 1), samples.dtype)
    alpha[top : top + height, left : left + width] = _OPAQUE
    return samples if alpha.all() else np.concatenate([samples, alpha], axis=2)


def _blocks(source: OpenSource) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Kind (the label of an extension, or ``_IMAGE``), place, and sub-blocks of each block."""
    at = _HEADER_BYTES + _table_bytes(source, _HEADER_BYTES - 3)
    while head := source.read_at(at, 2):
        start = at
        if head[0] == _EXTENSION and len(head) == 2:
            places, at = _sub_blocks(source, at + 2)
            yield head[1], start, places
        elif head[0] == _IMAGE:
            packed_at = at + _IMAGE_BYTES - 1
            codes_at = packed_at + 1 + _table_bytes(source, packed_at) + 1  # 1: size of codes
            places, at = _sub_blocks(source, codes_at)
            yield _IMAGE, start, places
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
