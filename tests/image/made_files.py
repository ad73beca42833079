"""Small files of kinds that are hard to come by, written byte by byte or with tifffile and Pillow."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

_y, _x = np.mgrid[:40, :56]
PHOTO = np.dstack([4 * _x + 10, 5 * _y + 20, 2 * (_x + _y) + 30]).astype(np.uint8)
"""(40, 56, 3), different in each channel, without a symmetry."""
GREY = PHOTO[..., 1]
SELECTION = np.where((_x > 9) & (_y < 30), 255, 0).astype(np.uint8)
ALPHA = np.where(_x > 20, 255, 90).astype(np.uint8)

OPAQUE = np.full_like(GREY, 255)
SMALL = PHOTO[::4, ::4]
UNIT = PHOTO.astype(np.float32) / 255
WIDE = PHOTO.astype(np.uint16) * 257
PREMULTIPLIED = np.round(PHOTO * (ALPHA[..., None] / 255)).astype(np.uint8)

_EXTRAS = {"0": "unspecified", "1": "assocalpha", "2": "unassalpha"}


def stack(*planes: np.ndarray) -> np.ndarray:
    """Planes as one array of the type of the first."""
    return np.dstack(planes).astype(planes[0].dtype)


def inks(samples: np.ndarray, ink_set: int) -> bytes:
    """A TIFF of separations whose InkSet is CMYK (1) or another one (2)."""
    buffer = io.BytesIO()
    tags = [(332, "H", 1, ink_set, True)]
    tifffile.imwrite(buffer, samples, photometric="separated", extratags=tags, metadata=None)
    return buffer.getvalue()


def planar(samples: np.ndarray) -> np.ndarray:
    """The planes first."""
    return np.moveaxis(samples, 2, 0)


def tiff(samples: np.ndarray, extras: str = "", **options) -> bytes:
    """One page; ``extras`` are the values of ExtraSamples. Arrays (H, W) and grey with extras are grey."""
    grey = samples.ndim == 2 or options.pop("grey", False)
    if extras:
        options |= {"extrasamples": [_EXTRAS[extra] for extra in extras]}
        options.setdefault("planarconfig", "contig")
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, photometric="minisblack" if grey else "rgb", metadata=None, **options)
    return buffer.getvalue()


def _entry_of(data: bytes, tag: int) -> int:
    """The position of a tag in the first directory of a little-endian classic TIFF."""
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    places = range(directory + 2, directory + 2 + 12 * count, 12)
    return next(at for at in places if struct.unpack_from("<H", data, at)[0] == tag)


def without_tag(data: bytes, tag: int) -> bytes:
    """The same TIFF with another, private tag in the place of this one."""
    out = bytearray(data)
    struct.pack_into("<H", out, _entry_of(data, tag), 65_000)
    return bytes(out)


def with_short(data: bytes, tag: int, value: int) -> bytes:
    """The same TIFF with another value of a tag that holds one SHORT."""
    out = bytearray(data)
    struct.pack_into("<H", out, _entry_of(data, tag) + 8, value)
    return bytes(out)


def pages(*each: tuple[np.ndarray, int, int], bigtiff: bool = False) -> bytes:
    """Several pages: samples, NewSubfileType, and how many of the following ones are SubIFDs of it."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=bigtiff) as writer:
        for samples, subfile_type, sub_pages in each:
            options = {"subfiletype": subfile_type, "subifds": sub_pages, "metadata": None}
            writer.write(samples, photometric="rgb", **options)
    return buffer.getvalue()


def raw_photo(make: str) -> bytes:
    """The structure of most RAW files: a reduced RGB page, and sensor data in a SubIFD."""
    buffer, tags = io.BytesIO(), [(271, "s", 0, make, True)]
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(SMALL, photometric="rgb", subfiletype=1, subifds=1, extratags=tags, metadata=None)
        writer.write(np.zeros((80, 112), np.uint16), photometric=32803, subfiletype=0, metadata=None)
    return buffer.getvalue()


def dng() -> bytes:
    """A TIFF with the tag DNGVersion."""
    return tiff(SMALL, extratags=[(50706, "B", 4, bytes([1, 4, 0, 0]), True)])


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples: np.ndarray, *chunks: bytes) -> bytes:
    """A PNG by Pillow, with more chunks after its header."""
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + b"".join(chunks) + data[33:]


def gama(file_gamma: float) -> bytes:
    """The chunk gAMA."""
    return chunk(b"gAMA", struct.pack(">I", round(file_gamma * 100_000)))


def chrm(*values: float) -> bytes:
    """The chunk cHRM: white, red, green, blue."""
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values)))


def cicp(*numbers: int) -> bytes:
    """The chunk cICP: primaries, transfer, matrix, full range."""
    return chunk(b"cICP", bytes(numbers))


def iccp(profile: bytes) -> bytes:
    """The chunk iCCP."""
    return chunk(b"iCCP", b"p\0\0" + zlib.compress(profile))


def cgbi(rgba: np.ndarray) -> bytes:
    """What Xcode makes of a PNG: BGRA premultiplied by alpha, in raw deflate data."""
    height, width = rgba.shape[:2]
    weight = rgba[..., 3:] / 255
    stored = np.dstack([np.round(rgba[..., 2::-1] * weight), rgba[..., 3]]).astype(np.uint8)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(b"".join(b"\0" + row.tobytes() for row in stored)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = (chunk(b"CgBI", b"P\0 \2"), chunk(b"IHDR", header), chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg(marker: int = 0xC0, bits: int = 8) -> bytes:
    """A JPEG whose frame header says another kind or depth."""
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "JPEG", quality=95)
    data = bytearray(buffer.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, bits
    return bytes(data)


def media(brand: bytes, compatible: bytes = b"") -> bytes:
    """The start of an ISO media file."""
    body = brand + bytes(4) + compatible
    return struct.pack(">I4s", 8 + len(body), b"ftyp") + body + bytes(200)


def bmp_with_profile(rgb: np.ndarray, profile: bytes) -> bytes:
    """A bitmap of 24 bits with a header of version 5 and an embedded profile behind the pixels."""
    height, width = rgb.shape[:2]
    rows = b"".join(row[:, ::-1].tobytes().ljust((width * 3 + 3) // 4 * 4, b"\0") for row in rgb[::-1])
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0).ljust(56, b"\0")
    head += b"MBED"[::-1] + bytes(52) + struct.pack("<II", 124 + len(rows), len(profile)) + bytes(4)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 124) + head + rows + profile
