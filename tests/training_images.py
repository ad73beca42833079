"""Small generated images for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips


def write_images(folder: Path, count: int, size: tuple[int, int] = (64, 80)) -> None:
    """Write smooth random images as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    for index in range(count):
        coarse = rng.integers(0, 256, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
        pixels = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))
        pyvips.Image.new_from_array(pixels).write_to_file(str(folder / f"{index}.png"))
