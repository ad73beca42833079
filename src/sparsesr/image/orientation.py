"""Rotation of stored pixels upright, according to the EXIF orientation tag."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def upright(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Return contiguous (H, W, ...) pixels, rotated and mirrored from orientation 1 to 8 to orientation 1."""
    if orientation >= 5:  # transposed; one of 1 to 4 remains
        pixels = pixels.swapaxes(0, 1)
        orientation = {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
