"""XMP packets: update the properties that upscaling invalidates and leave everything else unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

_WIDTHS = rb"tiff:ImageWidth|exif:PixelXDimension"
_HEIGHTS = rb"tiff:ImageLength|exif:PixelYDimension"
# Numbers of pixels, or positions in pixels, along each axis.
_ACROSS, _DOWN = rb"GPano:\w+(?:Width|Left)(?:Pixels)?", rb"GPano:\w+(?:Height|Top)(?:Pixels)?"
# Up to the next one and bounded, or a damaged packet would take the square of its length.
_FACES = re.compile(
    rb"<mwg-rs:AppliedToDimensions(?:[^<]|<(?!mwg-rs:AppliedToDimensions))*?(?:/>|</mwg-rs:AppliedToDimensions>)"
    rb"|mwg-rs:AppliedToDimensions[^>]{0,1000}>"
)
_MIME = re.compile(rb"(\bdc:format\s*(?:=\s*[\"']|>)\s*)[\w.+-]+/[\w.+-]+")


def updated(
    xmp: bytes, height: int, width: int, before: tuple[int, int] | None = None, mime: str | None = None
) -> bytes:
    """Return the packet with orientation 1, the given size and type, if it states them.

    ``before``: (height, width) that the packet describes; numbers of pixels of panoramas are scaled by the ratio.
    """
    xmp = _set(xmp, rb"tiff:Orientation", lambda _: 1)
    xmp = _set(xmp, _WIDTHS, lambda _: width)
    xmp = _set(xmp, _HEIGHTS, lambda _: height)
    if before is not None:
        xmp = _set(xmp, _ACROSS, lambda value: round(value * Fraction(width, before[1])))
        xmp = _set(xmp, _DOWN, lambda value: round(value * Fraction(height, before[0])))
    xmp = _FACES.sub(lambda area: _face_area(area.group(), height, width), xmp)
    return xmp if mime is None else _MIME.sub(rb"\g<1>" + mime.encode(), xmp)


def _set(xmp: bytes, names: bytes, value: Callable[[int], int]) -> bytes:
    """Replace whole numbers, as an attribute (name="6") or an element (<name>6</name>)."""
    pattern = rb"(\b(?:" + names + rb")\s*(?:=\s*[\"']|>)\s*)(\d{1,9})"
    return re.sub(pattern, lambda found: found.group(1) + str(value(int(found.group(2)))).encode(), xmp)


def _face_area(area: bytes, height: int, width: int) -> bytes:
    """The size to which areas of faces, which are fractions of it, refer."""
    return _set(_set(area, rb"stDim:w", lambda _: width), rb"stDim:h", lambda _: height)
