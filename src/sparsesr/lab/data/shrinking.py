"""Downscaling and blur as separable matrices: one for rows, one for columns."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

KERNELS = ("bicubic", "lanczos", "area", "bilinear")
_SUPPORT = {"bicubic": 2.0, "lanczos": 3.0, "area": 0.5, "bilinear": 1.0}
_BLUR_REACH = 4.0
"""Half-width of the blur kernel, in standard deviations."""


@lru_cache(maxsize=64)
def shrinking_matrix(kernel: str, size: int, scale: int) -> Matrix:
    """(size / scale, size): antialiased downscaling of one axis, pixel centres aligned, edges repeated."""
    centre = (np.arange(size // scale) + 0.5) * scale - 0.5
    reach = int(np.ceil(_SUPPORT[kernel] * scale)) + 1
    taps = np.floor(centre)[:, None] + np.arange(-reach, reach + 1.0)
    return _placed(taps, _kernel(kernel, (taps - centre[:, None]) / scale), size)


def blur_matrix(sigma_px: float, size: int) -> Matrix:
    """(size, size): Gaussian blur of one axis, edges repeated."""
    reach = max(1, int(np.ceil(_BLUR_REACH * sigma_px)))
    offset = np.arange(-reach, reach + 1)
    taps = np.arange(float(size))[:, None] + offset
    return _placed(taps, np.broadcast_to(np.exp(-0.5 * (offset / sigma_px) ** 2), taps.shape), size)


def _kernel(name: str, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x = np.abs(x)
    if name == "area":
        return np.where(x <= 0.5 + 1e-9, 1.0, 0.0)
    if name == "bilinear":
        return np.clip(1 - x, 0, None)
    if name == "lanczos":
        return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2  # Keys, a = -0.5, as MATLAB
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _placed(taps: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], size: int) -> Matrix:
    """Matrix rows with normalised ``weights`` at the columns given by ``taps``."""
    matrix = np.zeros((len(taps), size))
    rows = np.broadcast_to(np.arange(len(taps))[:, None], taps.shape)
    normalised = weights / weights.sum(axis=1, keepdims=True)
    np.add.at(matrix, (rows, np.clip(taps, 0, size - 1).astype(np.intp)), normalised)
    return matrix.astype(np.float32)
