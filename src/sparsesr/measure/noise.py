"""Noise for measuring networks that remove it: fixed, so that every measurement sees the same."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt


def noisy(picture: npt.NDArray[Any], sigma: float, name: str) -> npt.NDArray[np.float32]:
    """An 8-bit picture with Gaussian noise of standard deviation ``sigma`` (of 255): float32, about 0..1, not clipped.

    The noise depends on the picture's name and size alone. Papers do not say whether they clip or round noisy
    pictures; here neither is done, as in training.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    values = picture + random.standard_normal(picture.shape) * sigma
    return (values / 255).astype(np.float32)
