"""Scan of a PNG's chunks before libpng reads it: size, decompression bombs, and metadata that libvips drops."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from sparsesr.errors import InputError, LimitError
from sparsesr.image.sniff import check_size
from sparsesr.image.source import OpenSource
from sparsesr.limits import MEBIBYTE, ImageLimits

_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_AFTER_HEADER = 33
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")


@dataclass
class PngFacts:
    """Facts from the chunks other than the pixels."""

    colour: bytes = b""
    """Whole colour chunks, which PNG output repeats."""
    raw_exif: bytes | None = None
    """EXIF stored by ImageMagick in a text chunk "Raw profile type exif"."""
    is_animated: bool = False


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a complete PNG chunk: length, kind, body, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read_png_facts(source: OpenSource, limits: ImageLimits) -> PngFacts:
    """Walk the chunks. Raises LimitError (huge size, inflating text) or InputError (damaged header)."""
    _check_header(source, limits)
    facts, texts = PngFacts(), _TextBudget(source.name, limits)
    offset = _AFTER_HEADER
    while offset + 8 <= source.size:
        length, kind = struct.unpack(">I4s", source.read_at(offset, 8))
        if kind in _TEXT_CHUNKS or kind == b"iCCP":
            body = source.read_at(offset + 8, min(length, limits.max_metadata_bytes))
            texts.spend(kind, body)
            facts.raw_exif = facts.raw_exif or _raw_exif(kind, body)
        elif kind in _COLOUR_CHUNKS and length <= 64:
            facts.colour += source.read_at(offset, length + 12)
        facts.is_animated = facts.is_animated or kind == b"acTL"
        offset += length + 12
    return facts


@dataclass
class _TextBudget:
    """Counts text chunks and the inflated size of compressed ones."""

    name: str
    limits: ImageLimits
    items: int = 0
    inflated_bytes: int = 0

    def spend(self, kind: bytes, body: bytes) -> None:
        """Raise LimitError if this chunk exceeds a limit."""
        self.items += 1
        if self.items > self.limits.max_metadata_items:
            raise LimitError(
                f"over {self.limits.max_metadata_items} text chunks",
                where=self.name,
                remedy="remove its metadata",
            )
        if kind == b"iCCP":
            inflated, limit = (
                _inflated_size(kind, body, self.limits.max_metadata_bytes),
                self.limits.max_metadata_bytes,
            )
        else:
            self.inflated_bytes += _inflated_size(kind, body, self.limits.max_inflated_text_bytes)
            inflated, limit = self.inflated_bytes, self.limits.max_inflated_text_bytes
        if inflated > limit:
            raise LimitError(
                f"compressed text or profile in the PNG inflates to over {limit // MEBIBYTE} MiB"
                " (a decompression bomb?)",
                where=self.name,
                remedy="remove its metadata",
            )


def _check_header(source: OpenSource, limits: ImageLimits) -> None:
    head = source.read_at(8, 25)
    if len(head) < 25 or head[4:8] != b"IHDR":
        raise InputError(
            "the PNG header is cut short or damaged", where=source.name, remedy="copy or download it again"
        )
    if struct.unpack(">I", head[21:25])[0] != zlib.crc32(head[4:21]):
        raise InputError(
            "the PNG header fails its checksum (damaged)",
            where=source.name,
            remedy="copy or download it again",
        )
    width, height = struct.unpack(">II", head[8:16])
    check_size(source.name, height, width, limits)


def _split_text(kind: bytes, body: bytes) -> tuple[bytes, bytes, bool]:
    """Return keyword, payload, and whether the payload is compressed."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return keyword, rest, False
    if kind != b"iTXt":
        return keyword, rest[1:], True
    compressed = rest[:1] == b"\x01"
    _, _, payload = rest[2:].partition(b"\0")[2].partition(b"\0")
    return keyword, payload, compressed


def _inflate(payload: bytes, limit: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(payload, limit)
    except zlib.error:
        return b""


def _inflated_size(kind: bytes, body: bytes, limit: int) -> int:
    """Return the inflated size of a chunk, counted until just over ``limit``; 0 if it is not compressed."""
    _, payload, compressed = _split_text(kind, body)
    if not compressed:
        return 0
    try:
        inflater, size = zlib.decompressobj(), 0
        while payload and size <= limit:  # in steps, since only the size is needed
            size += len(inflater.decompress(payload, MEBIBYTE))
            payload = inflater.unconsumed_tail
        return size
    except zlib.error:
        return 0  # libpng warns about such a chunk and skips it


def _raw_exif(kind: bytes, body: bytes) -> bytes | None:
    keyword, payload, compressed = _split_text(kind, body)
    if keyword not in (b"Raw profile type exif", b"Raw profile type APP1"):
        return None
    text = _inflate(payload, MEBIBYTE) if compressed else payload
    try:  # "\n<name>\n<length>\n<hex digits>"
        return bytes.fromhex("".join(text.decode("latin-1").split()[2:]))
    except ValueError:
        return None
