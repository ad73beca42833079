"""Text in PNG chunks: its limits, profiles that are stored as text, and comments."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from sparsesr.errors import LimitError
from sparsesr.image.png_bytes import chunk, chunks_in
from sparsesr.limits import MEBIBYTE, ImageLimits

TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
XMP_KEYWORD = b"XML:com.adobe.xmp"
IPTC_KEYWORD = b"Raw profile type iptc"
_COMMENT = b"Comment"
_BOMB_RATIO = 200
"""Text that people or programs write shrinks to a fifth or a twentieth; a bomb shrinks to a thousandth."""
_PROFILE = re.compile(rb"Raw profile type (\w+)")
# Written by ImageMagick and thumbnailers about the file that they read.
_FALSE = re.compile(
    rb"exif:(?:PixelXDimension|PixelYDimension|ExifImage\w+|Image(?:Width|Length)|Orientation|thumbnail:.*)"
    rb"|tiff:Orientation|png:IHDR\.width,height|Thumb::.*"
)


@dataclass
class TextBudget:
    """Counts text chunks and the inflated size of compressed ones."""

    name: str
    limits: ImageLimits
    items: int = 0
    packed_bytes: int = 0
    inflated_bytes: int = 0

    def spend(self, kind: bytes, body: bytes) -> None:
        """Raise LimitError if this chunk exceeds a limit. ``kind`` may be iCCP, which has a limit of its own."""
        self.items += 1
        if self.items > self.limits.max_metadata_items:
            raise LimitError(
                f"over {self.limits.max_metadata_items} text chunks",
                where=self.name,
                remedy="remove its metadata",
            )
        if kind == b"iCCP":
            if _inflated_size(kind, body, self.limits.max_metadata_bytes) > self.limits.max_metadata_bytes:
                raise self._bomb(self.limits.max_metadata_bytes)
            return
        self.packed_bytes += len(body)
        room = self.limits.max_inflated_text_bytes - self.inflated_bytes
        self.inflated_bytes += _inflated_size(kind, body, room)
        if self.inflated_bytes > self.limits.max_inflated_text_bytes:
            raise self._bomb(self.limits.max_inflated_text_bytes)
        if self.inflated_bytes > max(MEBIBYTE, _BOMB_RATIO * self.packed_bytes):
            raise self._bomb(MEBIBYTE)

    def _bomb(self, limit: int) -> LimitError:
        return LimitError(
            f"compressed text or profile in the PNG inflates to over {limit // MEBIBYTE} MiB (a decompression bomb?)",
            where=self.name,
            remedy="remove its metadata",
        )


def keyword_of(body: bytes) -> bytes:
    """The keyword of a text chunk."""
    return body.partition(b"\0")[0]


def is_kept(body: bytes) -> bool:
    """False for text that is not repeated: profiles, which are written in their own form, and false facts."""
    keyword = keyword_of(body)
    return keyword != XMP_KEYWORD and not _PROFILE.fullmatch(keyword) and not _FALSE.fullmatch(keyword)


def text_of(kind: bytes, body: bytes, limit: int) -> bytes:
    """The text of a chunk, inflated up to ``limit`` bytes, in the encoding of the chunk."""
    _, payload, compressed = _split(kind, body)
    return _inflate(payload, limit) if compressed else payload


def raw_profile(kind: bytes, body: bytes, limit: int) -> tuple[str, bytes] | None:
    """Name and bytes of a profile stored by ImageMagick as text, None for other text."""
    name = _PROFILE.fullmatch(keyword_of(body))
    if name is None:
        return None
    try:  # "\n<name>\n<length>\n<hex digits>"
        text = text_of(kind, body, limit).decode("latin-1")
        return name.group(1).decode().lower(), bytes.fromhex("".join(text.split()[2:]))
    except ValueError:
        return None


def keywords(data: bytes) -> list[str]:
    """The keywords in a run of text chunks, without comments."""
    found = [keyword_of(body) for _, body in chunks_in(data)]
    return list(dict.fromkeys(each.decode("latin-1") for each in found if each != _COMMENT))


def comments_in(data: bytes, limit: int) -> tuple[bytes, ...]:
    """The comments in a run of text chunks, in UTF-8."""
    found: list[bytes] = []
    for kind, body in chunks_in(data):
        if keyword_of(body) == _COMMENT:
            text = text_of(kind, body, limit)
            found.append(text if kind == b"iTXt" else text.decode("latin-1").encode())
    return tuple(found)


def comment_chunk(comment: bytes) -> bytes:
    """A comment of another format as a chunk; it is taken for UTF-8, or Latin-1 if it is not valid."""
    comment = comment.rstrip(b"\0").replace(b"\0", b" ")
    try:
        is_plain = comment.decode("utf-8").isascii()
    except UnicodeDecodeError:
        is_plain = True
    if is_plain:
        return chunk(b"tEXt", _COMMENT + b"\0" + comment)
    return chunk(b"iTXt", _COMMENT + b"\0\0\0\0\0" + comment)


def _split(kind: bytes, body: bytes) -> tuple[bytes, bytes, bool]:
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
    _, payload, compressed = _split(kind, body)
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
