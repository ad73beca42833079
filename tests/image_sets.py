"""Folders of evaluation sets with images of random pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_ppm(path: Path, height: int, width: int, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.write_bytes(f"P6 {width} {height} 255\n".encode() + pixels.tobytes())


def write_two_sets(folder: Path) -> Path:
    """Two sets of one and two images of awkward sizes."""
    write_ppm(folder / "A" / "HR" / "one.ppm", 47, 53)
    write_ppm(folder / "B" / "HR" / "two.ppm", 40, 42, 1)
    write_ppm(folder / "B" / "HR" / "three.ppm", 45, 44, 2)
    return folder
