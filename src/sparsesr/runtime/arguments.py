"""Checks of the arguments of a session's runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparsesr.errors import UsageError
from sparsesr.modelfile.operations.value_types import IMAGE_CHANNELS
from sparsesr.runtime.backend.interface import F32, Image

EFFORT_RANGE = 8.0
"""Effort 0..1 shifts the logit of "active" by minus to plus half of this."""
_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


def checked_image(image: Image) -> Image:
    """The image as a contiguous array in native byte order; copied only if it is not one.

    Raises:
        UsageError: wrong shape or dtype.
    """
    if image.ndim != 3 or image.shape[2] != IMAGE_CHANNELS or 0 in image.shape:
        raise UsageError(f"the image must have shape (height, width, {IMAGE_CHANNELS}), not {image.shape}")
    native = image.dtype.newbyteorder("=")
    if native not in _DTYPES:
        raise UsageError(f"the image must be uint8, uint16 or float32, not {image.dtype}")
    return cast("Image", np.ascontiguousarray(image, native))


def result_dtype(wanted: DTypeLike | None, image: Image) -> np.dtype[Any]:
    """Dtype of the result: `wanted`, or that of `image` if None.

    Raises:
        UsageError: images cannot have this dtype.
    """
    dtype = image.dtype if wanted is None else np.dtype(wanted)
    if dtype not in _DTYPES:
        raise UsageError(f"out_dtype must be uint8, uint16 or float32, not {dtype}")
    return dtype


def mask_bias(effort: float | None, dense: bool) -> float:
    """Bias that `effort` adds to the logit of "active"; 0 if None.

    Raises:
        UsageError: `effort` is out of range, or given for a dense run.
    """
    if effort is None:
        return 0.0
    if dense:
        raise UsageError("dense computes every pixel; leave effort out")
    if not 0 <= effort <= 1:
        raise UsageError(f"effort must be in 0..1, got {effort}")
    return EFFORT_RANGE * (effort - 0.5)


def checked_attention(lengths: Mapping[str, int], attention: Mapping[str, NDArray[Any]]) -> dict[str, F32]:
    """Channel attention vectors as contiguous float32.

    Args:
        lengths: length of each of the model's vectors, by tensor name.
        attention: the caller's vectors, by tensor name.

    Raises:
        UsageError: unknown name, or wrong length.
    """
    for name, vector in attention.items():
        if name not in lengths or np.shape(vector) != (lengths[name],):
            wanted = f"of {lengths[name]} values" if name in lengths else "with a name of this model"
            raise UsageError(f"attention {name!r} must be a vector {wanted}")
    return {name: np.ascontiguousarray(vector, np.float32) for name, vector in attention.items()}
