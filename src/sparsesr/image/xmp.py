"""XMP packets: update the tags that upscaling invalidates and leave everything else unchanged."""

from __future__ import annotations

import re

_WIDTHS = (b"tiff:ImageWidth", b"exif:PixelXDimension")
_HEIGHTS = (b"tiff:ImageLength", b"exif:PixelYDimension")


def updated(xmp: bytes, height: int, width: int) -> bytes:
    """Return the packet with orientation 1 and the given size, if it states them."""
    values = {b"tiff:Orientation": 1} | dict.fromkeys(_WIDTHS, width) | dict.fromkeys(_HEIGHTS, height)
    for name, value in values.items():
        # As an attribute (name="6") or as an element (<name>6</name>).
        pattern = rb"(" + name + rb"\s*(?:=\s*[\"']|>)\s*)\d+"
        xmp = re.sub(pattern, rb"\g<1>" + str(value).encode(), xmp)
    return xmp
