"""Insertion of EXIF into finished JPEG, PNG and WebP data byte for byte (libvips would rewrite the block)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sparsesr.image.png_chunks import chunk

JPEG_SEGMENT_MAX_BYTES = 65_533 - 6
"""The largest EXIF block that fits one JPEG segment, after its length and prefix."""

HEAD_BYTES = 33
"""Bytes of a JPEG or PNG needed to insert something: the PNG signature and IHDR."""


def insert_in_jpeg(head: bytes, exif: bytes | None, pixels_per_mm: tuple[float, float] | None) -> bytes:
    """Return the start of a JPEG with a JFIF segment, which libvips omits, followed by one for EXIF."""
    unit, densities = 0, (1, 1)  # no unit: square pixels
    if pixels_per_mm is not None:
        unit, densities = 1, tuple(min(max(round(25.4 * value), 1), 65_535) for value in pixels_per_mm)
    segments = _jpeg_segment(0xE0, struct.pack(">5sHBHHBB", b"JFIF\0", 0x0102, unit, *densities, 0, 0))
    if exif is not None:
        segments += _jpeg_segment(0xE1, b"Exif\0\0" + exif)
    return head[:2] + segments + head[2:]


def _jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def insert_in_png(head: bytes, exif: bytes | None, colour_chunks: bytes) -> bytes:
    """Return the start of a PNG with colour chunks and an eXIf chunk after the header."""
    extra = colour_chunks + (chunk(b"eXIf", exif) if exif else b"")
    return head[:HEAD_BYTES] + extra + head[HEAD_BYTES:]


def webp_with_exif(data: bytes, exif: bytes, height: int, width: int, has_alpha: bool) -> bytes:
    """Return a WebP file with an EXIF chunk, converted to the extended format if necessary."""
    chunks = dict(_webp_chunks(data))
    header = bytearray(chunks.pop(b"VP8X", _extended_header(height, width, has_alpha)))
    header[0] |= 0x08
    xmp = chunks.pop(b"XMP ", None)
    parts = [(b"VP8X", bytes(header)), *chunks.items(), (b"EXIF", exif)]
    if xmp is not None:  # the format requires EXIF before XMP
        parts.append((b"XMP ", xmp))
    body = b"".join(
        name + struct.pack("<I", len(value)) + value + bytes(len(value) % 2) for name, value in parts
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _extended_header(height: int, width: int, has_alpha: bool) -> bytes:
    sizes = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return bytes([0x10 if has_alpha else 0, 0, 0, 0]) + sizes


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
