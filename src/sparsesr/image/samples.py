"""Conversion of levels in 0..1 and of wider samples to integers, rounded like the store kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def peak_of(dtype: np.dtype[Any]) -> float:
    """The value of the brightest sample: 1 for floats."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def quantised(
    levels: npt.NDArray[np.floating[Any]], dtype: type[np.uint8] | type[np.uint16]
) -> npt.NDArray[Any]:
    """Levels (0..1, clipped; no NaN) as uint8 or uint16 samples, rounded half up."""
    peak = int(np.iinfo(dtype).max)
    return np.floor(np.clip(levels, 0, 1) * peak + 0.5).astype(dtype)


def to_eight_bit(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """uint16 samples rounded to uint8 (65535 becomes 255); uint8 unchanged."""
    if samples.dtype == np.uint8:
        return samples
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
