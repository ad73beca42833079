"""Local contrast of an image: the energy of the gradients of its luma around each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.image.samples import peak_of

Pixels = npt.NDArray[Any]
Plane = npt.NDArray[np.float32]

_LUMA = np.array([65.738, 129.057, 25.064], np.float32) / np.float32(256)
_AROUND_PX = 2
"""Half the side of the square around a pixel."""


def contrast_bins(pixels: Pixels, bins: int) -> npt.NDArray[np.intp]:
    """The bin of each of (H, W, 3) pixels: log(1 + mean squared gradient around it), in levels of 255, rounded down."""
    contrast = np.log1p(_mean_around(_gradient_energy(_luma(pixels))))
    return np.minimum(contrast.astype(np.intp), bins - 1)


def _luma(pixels: Pixels) -> Plane:
    """Luma in levels of 255, without the offset of MATLAB's."""
    peak = peak_of(pixels.dtype)
    return np.dot(pixels.astype(np.float32), _LUMA * np.float32(255.0 / peak)).astype(np.float32, copy=False)


def _gradient_energy(plane: Plane) -> Plane:
    """Squared central differences, across plus down, with repeated edges."""
    padded = np.pad(plane, 1, mode="edge")
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) * np.float32(0.5)
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) * np.float32(0.5)
    return np.asarray(across * across + down * down, np.float32)


def _mean_around(plane: Plane) -> Plane:
    height, width = plane.shape
    side = 2 * _AROUND_PX + 1
    padded = np.pad(plane, _AROUND_PX, mode="edge")
    columns = np.sum([padded[k : k + height] for k in range(side)], axis=0)
    total = np.sum([columns[:, k : k + width] for k in range(side)], axis=0)
    return np.asarray(total / (side * side), np.float32)
