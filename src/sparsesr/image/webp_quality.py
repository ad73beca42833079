"""How strongly a lossy WebP was compressed, read from the header of its VP8 frame (RFC 6386, 7.3, 9 and 14.1)."""

from __future__ import annotations

from collections.abc import Iterator

from sparsesr.image.jpeg_quality import quality_with
from sparsesr.image.source import OpenSource
from sparsesr.image.webp_chunks import webp_chunks

_START, _PARTITION = 3, 10
"""Where the start code and the first partition of a frame begin."""
_START_CODE = b"\x9d\x01\x2a"
_HEADER_BYTES = 128
"""More than the header of a key frame can take up to its quantisers."""
_ORTHONORMAL = 2
"""Coefficients of VP8 are so many times as large as those of an orthonormal transform, which a JPEG has."""
_AC_STEPS = (
    *range(4, 59),
    *range(60, 117, 2),
    *range(119, 174, 3),
    *range(177, 230, 4),
    *(234, 239, 245, 249, 254, 259, 264, 269, 274, 279, 284),
)


def webp_quality(source: OpenSource) -> int | None:
    """The quality, 1 to 100, at which the luma steps of libjpeg are on average those of this WebP.

    None for lossless and animated files, and if the header is damaged.
    """
    for name, at, size in webp_chunks(source):
        if name == b"VP8 ":
            return _quality_of(source.read_at(at, min(size, _HEADER_BYTES)))
    return None


def _quality_of(frame: bytes) -> int | None:
    is_key = len(frame) > _PARTITION + 1 and frame[0] & 1 == 0
    if not is_key or frame[_START : _START + len(_START_CODE)] != _START_CODE:
        return None
    step = sum(share * _AC_STEPS[index] for index, share in _quantisers(_Bits(frame[_PARTITION:])))
    return quality_with(step / _ORTHONORMAL)


def _quantisers(bits: _Bits) -> Iterator[tuple[int, float]]:
    """The index of each segment's quantiser for luma, and the segment's share of the frame."""
    bits.skip(2)  # colour space, clamping
    segments, shares, is_absolute = [0], [1.0], False
    if bits.number(1):
        updates_map, updates_data = bits.number(1), bits.number(1)
        if updates_data:
            is_absolute = bool(bits.number(1))
            segments = [bits.optional_signed(7) for _ in range(4)]
            for _ in range(4):
                bits.optional_signed(6)  # loop filter
        if updates_map:
            both, low, high = ((bits.number(8) if bits.number(1) else 255) / 256 for _ in range(3))
            shares = [both * low, both * (1 - low), (1 - both) * high, (1 - both) * (1 - high)]
    bits.skip(10)  # kind, level and sharpness of the loop filter
    if bits.number(1) and bits.number(1):
        for _ in range(8):
            bits.optional_signed(6)
    bits.skip(2)  # partitions
    base = bits.number(7)
    for index, share in zip(segments, shares, strict=False):
        yield min(max(index if is_absolute else base + index, 0), len(_AC_STEPS) - 1), share


class _Bits:
    """The boolean decoder of VP8 (section 7.3), for bits that are as likely 0 as 1; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)
        self._value = self._next() << 8 | self._next()
        self._range, self._shifted = 255, 0

    def number(self, bits: int) -> int:
        """An unsigned number."""
        value = 0
        for _ in range(bits):
            value = value << 1 | self._bit()
        return value

    def optional_signed(self, bits: int) -> int:
        """A number with a sign behind it, after a bit that says whether it is there; 0 if not."""
        if not self._bit():
            return 0
        value = self.number(bits)
        return -value if self._bit() else value

    def skip(self, bits: int) -> None:
        self.number(bits)

    def _bit(self) -> int:
        split = 1 + ((self._range - 1) * 128 >> 8)
        bit = int(self._value >= split << 8)
        self._value -= bit * (split << 8)
        self._range = self._range - split if bit else split
        while self._range < 128:
            self._range <<= 1
            self._value <<= 1
            self._shifted += 1
            if self._shifted == 8:
                self._shifted = 0
                self._value |= self._next()
        return bit

    def _next(self) -> int:
        return next(self._bytes, 0)
