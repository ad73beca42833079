"""Noise for measuring networks that remove it: fixed, so that every measurement sees the same."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt


def noisy(image: npt.NDArray[Any], sigma: float, name: str) -> npt.NDArray[np.float32]:
    """An 8-bit image with Gaussian noise of standard deviation ``sigma`` (of 255): float32, about 0..1, not clipped.

    The noise depends on the image's name and size alone. Papers do not say whether they clip or round noisy
    images; here neither is done, as in training.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    values = image + random.standard_normal(image.shape) * sigma
    return (values / 255).astype(np.float32)
