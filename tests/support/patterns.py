"""Synthetic patterns at the limit of the resolution, on which networks may change the mean colour."""

from __future__ import annotations

import numpy as np

_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])


def patterns(side: int) -> dict[str, np.ndarray]:
    """Name -> (side, side, 3) uint8, mostly of 0 and 255 only."""
    y, x = np.mgrid[:side, :side]
    rng = np.random.default_rng(0)
    grey = {"black": 0 * x, "white": 0 * x + 1, "noise": rng.integers(0, 2, x.shape)}
    for period in (1, 2, 3):
        grey[f"chequers {period}"] = (x // period + y // period) % 2
        grey[f"columns {period}"] = x // period % 2
        grey[f"rows {period}"] = y // period % 2
        grey[f"dots {period}"] = (x % (period + 1) == 0) & (y % (period + 1) == 0)
        grey[f"holes {period}"] = 1 - grey[f"dots {period}"]
    for level in (2, 5, 8, 11, 14):
        grey[f"ordered dither {level}"] = np.tile(_BAYER, (side // 4 + 1,) * 2)[:side, :side] < level
    grey["diagonals"] = (x + y) % 3 == 0
    grey["rings"] = np.sin(((x - side / 2) ** 2 + (y - side / 2) ** 2) / 3) > 0
    grey["impulse"] = (x == side // 2) & (y == side // 2)
    found = {
        name: np.uint8(255) * plane.astype(np.uint8)[..., None].repeat(3, 2) for name, plane in grey.items()
    }
    found["coloured noise"] = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    found["coloured columns"] = np.stack([(x % 3 == c) * np.uint8(255) for c in range(3)], -1)
    found["red and green"] = np.stack([(x + y + c) % 2 * (c < 2) * 255 for c in range(3)], -1).astype(
        np.uint8
    )
    return found
