"""Turning stored pixels upright, as the EXIF orientation tag asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def upright(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Return (H, W, ...) pixels turned and mirrored so that orientation 1 to 8 becomes 1; contiguous."""
    if orientation >= 5:  # rows and columns change places; what is left is one of 1 to 4
        pixels = pixels.swapaxes(0, 1)
        orientation = {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
