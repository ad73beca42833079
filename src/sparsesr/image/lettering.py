"""Text on images, drawn by libvips in the system's sans-serif font."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips

from sparsesr.image import vips

_FONT_PX_PER_SIZE = 9.5
"""Makes capitals 7 pixels high for each unit of size."""


def write_on(
    canvas: npt.NDArray[np.uint8],
    text: str,
    top: int,
    left: int,
    colour: tuple[int, int, int],
    size: int = 2,
    *,
    right: int | None = None,
) -> None:
    """Draw a line of text onto (H, W, 3) pixels in place, clipped to them.

    Capitals start at row ``top`` and are about ``7 * size`` pixels high. ``right`` aligns the end of the text to
    that column, unless the text would then start before ``left``.
    """
    ink, offset = _drawn(text, size)
    if right is not None:
        left = max(left, right - ink.shape[1])
    top = max(top + offset - _drawn("M", size)[1], 0)
    part = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
    weight = ink[: part.shape[0], : part.shape[1]] / 255.0
    part[:] = np.floor(part + (np.array(colour) - part) * weight + 0.5).astype(np.uint8)


def _drawn(text: str, size: int) -> tuple[npt.NDArray[Any], int]:
    """Coverage (h, w, 1), 0..255, of the inked area, and its offset below the top of the line."""
    font = f"sans {_FONT_PX_PER_SIZE * size:g}px"
    image = pyvips.Image.text(html.escape(text, quote=False), font=font, dpi=72)
    return vips.pixels_of(image), int(image.yoffset)
