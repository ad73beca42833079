"""Reproducible noise for measuring networks that remove it."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt


def noisy(image: npt.NDArray[Any], sigma: float, name: str) -> npt.NDArray[np.float32]:
    """Add Gaussian noise of standard deviation ``sigma`` (of 255) to an 8-bit image: float32, about 0..1, not clipped.

    The noise depends only on the image's name and size. Papers do not state whether they clip or round noisy
    images; neither is done here, as in training.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    values = image + random.standard_normal(image.shape) * sigma
    return (values / 255).astype(np.float32)
