"""Format detection by the first bytes of a file. Only formats named here reach a decoder."""

from __future__ import annotations

import struct

from sparsesr.errors import InputError, LimitError, Wording
from sparsesr.image.foreign_formats import HEAD_BYTES, foreign_error
from sparsesr.image.source import OpenSource
from sparsesr.limits import ImageLimits

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (8, b"WEBP", "webp"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"BM", "bmp"),
)
_HEIF_BRANDS = (
    b"avif",
    b"avis",
    b"heic",
    b"heix",
    b"hevc",
    b"hevx",
    b"heim",
    b"heis",
    b"mif1",
    b"msf1",
    b"mif2",
)
_JXL = (b"\0\0\0\x0cJXL ", b"\xff\x0a")


def recognise(source: OpenSource) -> str:
    """Return jpeg, png, webp, tiff, gif, bmp, pnm, heif or jxl; raise InputError for anything else."""
    head = source.read_at(0, HEAD_BYTES)
    for offset, signature, kind in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return kind
    if head[4:8] == b"ftyp" and _is_heif(head):
        return "heif"
    if head.startswith(_JXL):
        return "jxl"
    if len(head) > 2 and head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "pnm"
    raise foreign_error(source.name, head)


def _is_heif(head: bytes) -> bool:
    """Whether the major brand, or one that the file is compatible with, is of HEIF or AVIF."""
    size = min(struct.unpack(">I", head[:4])[0], len(head))
    compatible = [head[at : at + 4] for at in range(16, size - 3, 4)]
    return head[8:12] in _HEIF_BRANDS or (
        head[8:12] == b"miaf" and any(b in _HEIF_BRANDS for b in compatible)
    )


def check_size(name: str, height: int, width: int, limits: ImageLimits) -> None:
    """Raise LimitError if an image of this size exceeds the limits, InputError if it has no pixels."""
    if height < 1 or width < 1:
        raise InputError(
            f"the header states {width}x{height} pixels", where=name, remedy="the file is damaged"
        )
    if max(height, width) > limits.max_side_px:
        raise LimitError(
            f"{width}x{height} px is over the limit of {limits.max_side_px} px a side", where=name
        )
    if height * width > limits.max_pixels:
        raise LimitError(
            f"{width}x{height} is {height * width / 1e6:.0f} megapixels, over the limit of"
            f" {limits.max_pixels / 1e6:.0f}",
            where=name,
            remedy=Wording("shrink it or raise {}", "max_pixels"),
        )


def check_gif_size(source: OpenSource, limits: ImageLimits) -> None:
    """Check the canvas of a GIF first, because its decoder scans the whole file on opening."""
    head = source.read_at(6, 4)
    if len(head) == 4:
        width, height = struct.unpack("<HH", head)
        check_size(source.name, height, width, limits)
