"""Folders of random images, one per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage.io import imsave

CLASSES = ("cat", "dog")


def write_classes(root: Path, count: int = 3, side_px: int = 8) -> dict[str, np.ndarray]:
    """Write PNGs of random pixels; returns them by path."""
    random, written = np.random.default_rng(1), {}
    for name in CLASSES:
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            path = root / name / f"{index}.png"
            written[str(path)] = random.integers(256, size=(side_px, side_px, 3), dtype=np.uint8)
            imsave(path, written[str(path)], check_contrast=False)
    return written
