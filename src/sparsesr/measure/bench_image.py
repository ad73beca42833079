"""Synthetic benchmark image with edges and flat areas, like a photograph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparsesr.image.samples import quantised

Pixels = npt.NDArray[np.uint8]
_LEAVES_PER_KILOPIXEL = 12


def made_up_image(width: int, height: int) -> Pixels:
    """Draw overlapping discs of random colours ("dead leaves"); deterministic for a given size.

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
