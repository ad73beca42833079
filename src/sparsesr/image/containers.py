"""Insertion of metadata into finished JPEG, PNG and WebP data byte for byte (libvips would rewrite or shorten it)."""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

from sparsesr.image.decoded_image import Metadata
from sparsesr.image.iptc import raw_profile
from sparsesr.image.jpeg_segments import (
    SEGMENT_MAX_BYTES,
    comment_segments,
    resource_segments,
    segment,
    xmp_segments,
)
from sparsesr.image.png_bytes import FRAME_BYTES, chunk
from sparsesr.image.png_text import IPTC_KEYWORD, XMP_KEYWORD, comment_chunk
from sparsesr.image.source import in_memory
from sparsesr.image.webp_chunks import webp_chunks

EXIF_IN_JPEG_MAX_BYTES = SEGMENT_MAX_BYTES - len(b"Exif\0\0")

HEAD_BYTES = 33
"""Bytes of a JPEG or PNG needed to insert something: the PNG signature and IHDR."""


def insert_in_jpeg(head: bytes, metadata: Metadata) -> bytes:
    """Return the start of a JPEG with segments for JFIF, which libvips omits, and for all metadata but the profile."""
    unit, densities = 0, (1, 1)  # no unit: square pixels
    if metadata.pixels_per_mm is not None:
        unit = 1
        densities = tuple(min(max(round(25.4 * value), 1), 65_535) for value in metadata.pixels_per_mm)
    parts = [segment(0xE0, struct.pack(">5sHBHHBB", b"JFIF\0", 0x0102, unit, *densities, 0, 0))]
    if metadata.exif is not None:
        parts.append(segment(0xE1, b"Exif\0\0" + metadata.exif))
    if metadata.xmp is not None:
        parts.append(xmp_segments(metadata.xmp))
    if metadata.iptc is not None:
        parts.append(resource_segments(metadata.iptc))
    parts += [comment_segments(comment) for comment in metadata.comments]
    return head[:2] + b"".join(parts) + head[2:]


def insert_in_png(head: bytes, metadata: Metadata) -> bytes:
    """Return the start of a PNG with colour chunks and those for metadata but the profile after the header."""
    parts = [metadata.png_colour]
    if metadata.exif is not None:
        parts.append(chunk(b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        parts.append(chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    if metadata.iptc is not None:
        parts.append(chunk(b"zTXt", IPTC_KEYWORD + b"\0\0" + zlib.compress(raw_profile(metadata.iptc))))
    parts += [comment_chunk(comment) for comment in metadata.comments]
    return head[:HEAD_BYTES] + b"".join(parts) + metadata.text + head[HEAD_BYTES:]


def clear_png_resolution(file: BinaryIO) -> None:
    """Let a finished PNG state square pixels of no size; libvips always writes a size."""
    at = HEAD_BYTES
    file.seek(at)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"pHYs":
            file.seek(at)
            file.write(chunk(kind, struct.pack(">IIB", 1, 1, 0)))
            break
        at += length + FRAME_BYTES
        file.seek(at)
    file.seek(0, io.SEEK_END)


def webp_with_exif(data: bytes, exif: bytes, height: int, width: int, has_alpha: bool) -> bytes:
    """Return a WebP file with an EXIF chunk, converted to the extended format if necessary."""
    source = in_memory(data)
    chunks = {name: source.read_at(at, size) for name, at, size in webp_chunks(source)}
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
