"""The picture of ``sparsesr bench``: a file, or one made up that has edges and flat parts as photographs have."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparsesr.errors import UsageError
from sparsesr.image.decode import decode
from sparsesr.image.samples import quantised, to_eight_bit

Pixels = npt.NDArray[np.uint8]
DEFAULT_SIZE = (320, 180)
_MAX_SIDE = 8192
_LEAVES_PER_KILOPIXEL = 12


def parse_size(text: str) -> tuple[int, int]:
    """``320x180`` -> (width, height); UsageError for anything else."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    sides = (int(match.group(1)), int(match.group(2))) if match else (0, 0)
    if not all(1 <= side <= _MAX_SIDE for side in sides):
        raise UsageError(f"--size {text!r} is no size; write it like 320x180, up to {_MAX_SIDE} each")
    return sides


def read_picture(path: Path) -> Pixels:
    """A file's pixels (H, W, 3), 8 bits."""
    return to_eight_bit(decode(path).rgb)


def made_up_picture(width: int, height: int) -> Pixels:
    """Discs of random colours on top of each other ("dead leaves"), always the same for a size.

    Their radii follow a power law, which gives edges at all scales, as in photographs (Lee, Mumford and
    Huang, "Occlusion models for natural images", IJCV 2001).
    """
    rng = np.random.default_rng(0)
    values = np.full((height, width, 3), 0.5)
    for _ in range(max(20, width * height * _LEAVES_PER_KILOPIXEL // 1000)):
        radius = min(2.0 / np.sqrt(1.0 - rng.random()), max(width, height) / 3)
        x, y = rng.random() * width, rng.random() * height
        top, bottom = max(0, int(y - radius)), min(height, int(y + radius) + 2)
        left, right = max(0, int(x - radius)), min(width, int(x + radius) + 2)
        rows, columns = np.mgrid[top:bottom, left:right]
        cover = np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1)[..., None]
        part = values[top:bottom, left:right]
        part += cover * (rng.random(3) - part)
    return quantised(values, np.uint8)
