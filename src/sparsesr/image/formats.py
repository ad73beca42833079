"""Formats that can be written: one entry each, with its names and what it can hold."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pyvips

from sparsesr.errors import UsageError


@dataclass(frozen=True)
class OutputFormat:
    """A format of output files."""

    kind: str
    name: str
    """For messages."""
    mime: str
    extensions: tuple[str, ...]
    """The first is the usual one."""
    max_side_px: int
    max_bits: int
    """Most bits per sample."""
    working_bytes_per_px: int
    """Memory of the encoder in addition to the pixels; measured with libvips 8.18, rounded up."""
    compression: str
    """``lossless``, ``lossy``, or ``either``."""
    has_grey: bool = True
    """False: grey is stored as RGB."""
    has_alpha: bool = True
    operation: str = ""
    """libvips operation that not every installation has."""


_ALL = (
    OutputFormat(
        "jpeg",
        "JPEG",
        "image/jpeg",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        65_500,
        8,
        16,
        "lossy",
        has_alpha=False,
    ),
    OutputFormat("png", "PNG", "image/png", (".png",), 1_000_000, 16, 4, "lossless"),
    OutputFormat("webp", "WebP", "image/webp", (".webp",), 16_383, 8, 36, "either", has_grey=False),
    OutputFormat("tiff", "TIFF", "image/tiff", (".tif", ".tiff"), 1_000_000, 16, 12, "lossless"),
    OutputFormat(
        "avif",
        "AVIF",
        "image/avif",
        (".avif",),
        16_384,
        12,
        120,
        "either",
        has_grey=False,
        operation="heifsave",
    ),
    OutputFormat("jxl", "JPEG XL", "image/jxl", (".jxl",), 1_000_000, 16, 72, "either", operation="jxlsave"),
)
FORMATS = {each.kind: each for each in _ALL}
"""By kind: jpeg, png, webp, tiff, avif, jxl."""
_BY_EXTENSION = {extension: each for each in _ALL for extension in each.extensions}


def format_of(extension: str) -> OutputFormat | None:
    """The format of an extension with its dot, such as ``.JPG``; None if it cannot be written here."""
    found = _BY_EXTENSION.get(extension.lower())
    return found if found is not None and is_available(found) else None


def require_format(extension: str, *, wanted: str | None = None, where: str | None = None) -> OutputFormat:
    """As :func:`format_of`; UsageError, located at ``where``, instead of None. ``wanted``: what to call it."""
    found = _BY_EXTENSION.get(extension.lower())
    if found is None:
        name = repr(wanted or extension) if extension else "(no extension)"
        raise UsageError(f"cannot write the format {name}", where=where, remedy=f"use {known_extensions()}")
    if not is_available(found):
        raise UsageError(
            f"the installed libvips {pyvips.version(0)}.{pyvips.version(1)} cannot write {found.name}",
            where=where,
            remedy=f"use {known_extensions()}, or install a libvips with {found.name}",
        )
    return found


def known_names() -> str:
    """The names of formats that can be written here, for messages."""
    return ", ".join(each.kind for each in _ALL if is_available(each))


def known_extensions() -> str:
    """The usual extensions of formats that can be written here, for messages."""
    *most, last = (each.extensions[0] for each in _ALL if is_available(each))
    return f"{', '.join(most)} or {last}"


@functools.lru_cache
def is_available(format: OutputFormat) -> bool:
    """True if the installed libvips can write the format."""
    return not format.operation or bool(pyvips.type_find("VipsOperation", format.operation))
