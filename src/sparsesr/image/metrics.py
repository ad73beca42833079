"""PSNR and SSIM in the convention of the super-resolution literature (MATLAB's rgb2ycbcr, borders shaved)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[Any]
Plane = npt.NDArray[np.float64]

_PEAK = 255.0
_WINDOW_PX = 11


def rgb_to_y(image: Image) -> Plane:
    """Luma on MATLAB's studio scale (16 to 235), float64 and unrounded, from 8-bit RGB (H, W, 3).

    Grey (H, W) is treated as R = G = B.
    """
    values = image.astype(np.float64)
    if values.ndim == 2:
        return values * ((65.738 + 129.057 + 25.064) / 256.0) + 16.0
    if values.ndim != 3 or values.shape[2] != 3:
        raise ValueError(f"rgb_to_y needs (H, W, 3) or (H, W), not {image.shape}")
    return (values @ np.array([65.738, 129.057, 25.064])) / 256.0 + 16.0


def psnr(a: Image, b: Image, shave: int = 0, peak: float = _PEAK) -> float:
    """Peak signal-to-noise ratio in dB over all samples, without ``shave`` pixels at each border.

    Infinite for equal images. Raises ValueError if the shapes differ or nothing is left.
    """
    a, b = _pair(a, b, shave, least_px=1)
    error = float(np.mean(np.square(a.astype(np.float64) - b.astype(np.float64))))
    return math.inf if error == 0.0 else 10.0 * math.log10(peak * peak / error)


def psnr_y(sr: Image, hr: Image, shave: int) -> float:
    """PSNR in dB of the luma of two 8-bit images; the literature shaves ``scale`` pixels."""
    sr, hr = _pair(sr, hr, shave, least_px=1)
    return psnr(rgb_to_y(sr), rgb_to_y(hr))


def ssim_y(sr: Image, hr: Image, shave: int) -> float:
    """Structural similarity of the luma of two 8-bit images (Wang et al., 2004).

    Gaussian window 11x11 with sigma 1.5, only where it lies inside the image, averaged; K1 = 0.01, K2 = 0.03.
    """
    sr, hr = _pair(sr, hr, shave, least_px=_WINDOW_PX)
    return ssim(rgb_to_y(sr), rgb_to_y(hr))


def ssim(x: Plane, y: Plane) -> float:
    """Structural similarity of two planes on a 0..255 scale; see ``ssim_y``."""
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x * mean_x
    variance_y = _windowed(y * y) - mean_y * mean_y
    covariance = _windowed(x * y) - mean_x * mean_y
    numerator = (2.0 * mean_x * mean_y + c1) * (2.0 * covariance + c2)
    denominator = (mean_x * mean_x + mean_y * mean_y + c1) * (variance_x + variance_y + c2)
    return float(np.mean(numerator / denominator))


def _windowed(plane: Plane) -> Plane:
    """Gaussian-weighted mean around each pixel whose window lies inside the plane."""
    offset = np.arange(_WINDOW_PX) - _WINDOW_PX // 2
    weight = np.exp(-(offset**2) / (2.0 * 1.5**2))
    weight /= weight.sum()
    height, width = plane.shape[0] - _WINDOW_PX + 1, plane.shape[1] - _WINDOW_PX + 1
    rows = sum((w * plane[k : k + height] for k, w in enumerate(weight)), np.zeros((height, plane.shape[1])))
    return sum((w * rows[:, k : k + width] for k, w in enumerate(weight)), np.zeros((height, width)))


def _pair(a: Image, b: Image, shave: int, least_px: int) -> tuple[Image, Image]:
    if a.shape != b.shape:
        raise ValueError(f"the images differ in shape: {a.shape} and {b.shape}")
    if shave < 0 or min(a.shape[:2]) - 2 * shave < least_px:
        raise ValueError(
            f"{a.shape[1]}x{a.shape[0]} shaved by {shave} px leaves less than {least_px} px to compare"
        )
    inside = slice(shave, -shave or None)
    return a[inside, inside], b[inside, inside]
