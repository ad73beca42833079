"""Files with metadata, made with Pillow and tifffile or written byte by byte, and independent readers of them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image, IptcImagePlugin

from image.made_files import PHOTO, chunk, png

HEIGHT, WIDTH = PHOTO.shape[:2]
XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">%s'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
TITLE = b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="At the lake"/>'
RECORD = b"\x1c\x02\x05\x00\x04Lake\x1c\x02\x19\x00\x05water"
"""An IPTC record: object name, keyword."""


def packet(*descriptions: bytes) -> bytes:
    """An XMP packet."""
    return XMP % b"".join(descriptions)


def resource(kind: int, body: bytes) -> bytes:
    """A Photoshop resource without a name."""
    return (
        b"8BIM"
        + struct.pack(">H", kind)
        + b"\0\0"
        + struct.pack(">I", len(body))
        + body
        + bytes(len(body) % 2)
    )


def jpeg(*segments: bytes, **options) -> bytes:
    """A JPEG by Pillow, with more segments after its first two bytes."""
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "JPEG", quality=95, **options)
    data = buffer.getvalue()
    return data[:2] + b"".join(segments) + data[2:]


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def tagged_tiff(*tags: tuple, **options) -> bytes:
    """A TIFF with extra tags, as for tifffile."""
    buffer = io.BytesIO()
    options = {"metadata": None, "photometric": "rgb", **options}
    tifffile.imwrite(buffer, PHOTO, extratags=[(*tag, True) for tag in tags], **options)
    return buffer.getvalue()


def webp(**options) -> bytes:
    """A WebP by Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def text_png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with chunks before its pixels."""
    return png(PHOTO, *(chunk(*each) for each in chunks))


def pillow(data: bytes) -> Image.Image:
    """The image as Pillow reads it, with everything that it finds."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def tags_of(data: bytes) -> dict[int, object]:
    """The tags of the first page, as tifffile reads them."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return {tag.code: tag.value for tag in file.pages.first.tags}


def iptc_of(data: bytes) -> dict[tuple[int, int], object]:
    """The IPTC record of a JPEG or TIFF, as Pillow reads it."""
    return IptcImagePlugin.getiptcinfo(pillow(data)) or {}


def jpeg_segments(data: bytes) -> list[tuple[int, bytes]]:
    """Marker and body of every segment in the header."""
    found, at = [], 2
    while data[at + 1] != 0xDA:
        length = struct.unpack_from(">H", data, at + 2)[0]
        found.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and body of every chunk, whose checksums must be right."""
    found, at = [], 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        at += 12 + length
    return found


def exif_with(
    order: str, *entries: tuple[int, int, int, bytes], inner: tuple[tuple[int, int, int, bytes], ...] = ()
):
    """An EXIF block: entries (tag, type, count, value) of the main and of the EXIF directory."""

    def directory(each: list[tuple[int, int, int, bytes]], base: int) -> bytes:
        head = struct.pack(order + "H", len(each))
        values, place = b"", base + 6 + 12 * len(each)
        for tag, kind, count, value in sorted(each):
            inline = (
                value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", place + len(values))
            )
            values += b"" if len(value) <= 4 else value + bytes(len(value) % 2)
            head += struct.pack(order + "HHI", tag, kind, count) + inline
        return head + bytes(4) + values

    main = list(entries)
    first = directory([*main, (0x8769, 4, 1, bytes(4))], 8)
    main.append((0x8769, 4, 1, struct.pack(order + "I", 8 + len(first))))
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return start + directory(main, 8) + directory(list(inner), 8 + len(first))


def doubled() -> np.ndarray:
    """The photograph with twice the pixels."""
    return PHOTO.repeat(2, axis=0).repeat(2, axis=1)
