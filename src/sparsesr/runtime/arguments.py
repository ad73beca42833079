"""Checks of what people pass to a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparsesr.errors import UsageError
from sparsesr.modelfile.operations.value_types import IMAGE_CHANNELS
from sparsesr.runtime.backend.interface import F32, Image

EFFORT_RANGE = 8.0
"""Efforts 0..1 shift the logit "active" by half of this down or up."""
_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


def checked_image(image: Image) -> Image:
    """The picture, contiguous; copied only if it is not.

    Raises:
        UsageError: wrong shape or type.
    """
    if image.ndim != 3 or image.shape[2] != IMAGE_CHANNELS or 0 in image.shape:
        raise UsageError(f"the image must have shape (height, width, {IMAGE_CHANNELS}), not {image.shape}")
    if image.dtype not in _DTYPES:
        raise UsageError(f"the image must be uint8, uint16 or float32, not {image.dtype}")
    return cast("Image", np.ascontiguousarray(image))


def result_dtype(wanted: DTypeLike | None, image: Image) -> np.dtype[Any]:
    """Type of the result.

    Raises:
        UsageError: no type of picture.
    """
    dtype = image.dtype if wanted is None else np.dtype(wanted)
    if dtype not in _DTYPES:
        raise UsageError(f"out_dtype must be uint8, uint16 or float32, not {dtype}")
    return dtype


def mask_bias(effort: float | None, dense: bool) -> float:
    """What effort adds to the logit of "active".

    Raises:
        UsageError: effort is out of range, or means nothing.
    """
    if effort is None:
        return 0.0
    if dense:
        raise UsageError("dense computes every pixel; leave effort out")
    if not 0 <= effort <= 1:
        raise UsageError(f"effort must be in 0..1, got {effort}")
    return EFFORT_RANGE * (effort - 0.5)


def checked_attention(lengths: Mapping[str, int], attention: Mapping[str, NDArray[Any]]) -> dict[str, F32]:
    """Vectors for the model's channel attention, whose ``lengths`` are known by name.

    Raises:
        UsageError: no such attention, or a vector of the wrong length.
    """
    for name, vector in attention.items():
        if name not in lengths or np.shape(vector) != (lengths[name],):
            wanted = f"of {lengths[name]} values" if name in lengths else "with a name of this model"
            raise UsageError(f"attention {name!r} must be a vector {wanted}")
    return {name: np.ascontiguousarray(vector, np.float32) for name, vector in attention.items()}
