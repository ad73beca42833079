"""Failures of libvips as errors of one line: unsupported kinds by name, data cut short, damage."""

from __future__ import annotations

import pyvips

from sparsesr.errors import InputError
from sparsesr.image import heic, vips
from sparsesr.image.jpeg_kind import unusual_kind
from sparsesr.image.source import OpenSource
from sparsesr.image.tiff_channels import unsupported_kind
from sparsesr.image.tiff_pages import chosen_page, tiff_pages
from sparsesr.limits import ImageLimits

_CUT_SHORT = ("premature end", "end of", "unable to parse", "expected")
_NAMES = {"jpeg": "JPEG", "webp": "WebP", "tiff": "TIFF", "heif": "HEIF or AVIF", "jxl": "JPEG XL"}


def vips_error(source: OpenSource, kind: str, error: pyvips.Error) -> InputError:
    """Convert a multi-line libvips error to an InputError of one line."""
    source.check_whole()
    reason = vips.reason(error)
    because = f" ({reason})" if reason else ""
    unsupported = _unsupported(source, kind, str(error))
    if unsupported is not None:
        return unsupported
    if any(sign in reason for sign in _CUT_SHORT):
        return InputError(
            f"the {kind.upper()} data is cut short{because}",
            where=source.name,
            remedy="copy or download the file again",
        )
    return damaged(source.name, kind, because)


def damaged(name: str, kind: str, because: str) -> InputError:
    """The refusal of damaged data."""
    return InputError(
        f"the {kind.upper()} data is damaged or of an unknown kind{because}",
        where=name,
        remedy="save it again with another program",
    )


def no_loader(source: OpenSource, kind: str) -> InputError:
    """The refusal of a format that libvips was built without."""
    what = f"is {_NAMES.get(kind, kind.upper())}, which the installed libvips cannot read"
    return InputError(what, where=source.name, remedy="convert it to PNG, or install a libvips that can")


def _unsupported(source: OpenSource, kind: str, message: str) -> InputError | None:
    """The refusal of a kind of file that libvips does not support; None if that is not the cause."""
    if kind == "heif" and heic.lacks_decoder(message):
        return heic.unsupported(source)
    what = None
    if kind == "jpeg":
        what = unusual_kind(source)
    elif kind == "tiff":
        pages = tiff_pages(source, ImageLimits())
        what = unsupported_kind(chosen_page(pages).page) if pages else None
    if what is None:
        return None
    is_a = f"is a {what}" if kind == "jpeg" else f"is a TIFF with {what}"
    return InputError(
        f"{is_a}, which is not supported",
        where=source.name,
        remedy="convert it to PNG or TIFF with 8 or 16 bits",
    )
