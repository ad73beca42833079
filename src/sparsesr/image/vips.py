"""The few libvips calls that need care: images over numpy memory, binary metadata, error text."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips
from pyvips import vips_lib

# libvips warns through this logger; without a handler Python would print the warnings.
logging.getLogger("pyvips").addHandler(logging.NullHandler())

_FORMATS = {
    "uint8": "uchar",
    "uint16": "ushort",
    "uint32": "uint",
    "int8": "char",
    "int16": "short",
    "int32": "int",
    "float32": "float",
    "float64": "double",
    "complex64": "complex",
    "complex128": "dpcomplex",
}
_NUMPY_NAMES = {vips: name for name, vips in _FORMATS.items()}


def image_over(pixels: npt.NDArray[Any]) -> pyvips.Image:
    """Wrap (H, W) or (H, W, C) pixels as a libvips image, without a copy when they are contiguous."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    data: Any = pixels
    return pyvips.Image.new_from_memory(data, width, height, bands, _FORMATS[pixels.dtype.name])


def stop_when(image: pyvips.Image, cancelled: Callable[[], bool] | None) -> None:
    """Let whoever computes this image, or one made from it, fail soon after ``cancelled`` says True.

    libvips asks between tiles, in the thread that runs the pipeline; Ctrl-C is noticed there too.
    """
    if cancelled is None:
        return

    def ask(computed: pyvips.Image, _progress: object) -> None:
        if cancelled():
            computed.set_kill(True)

    image.set_progress(True)
    image.signal_connect("eval", ask)


def pixels_of(image: pyvips.Image) -> npt.NDArray[Any]:
    """Run the image's pipeline and return its pixels as (H, W, C), in memory that numpy now owns."""
    samples = np.frombuffer(image.write_to_memory(), _NUMPY_NAMES[str(image.format)])
    return samples.reshape(image.height, image.width, image.bands)


def get_blob(image: pyvips.Image, name: str) -> bytes | None:
    """Return a binary metadata field, None when it is absent or empty."""
    if not image.get_typeof(name):
        return None
    value: Any = image.get(name)
    return bytes(value) or None


def set_blob(image: pyvips.Image, name: str, value: bytes) -> None:
    """Set a binary metadata field. The image must be this caller's own copy."""
    blob: Any = value
    image.set_type(pyvips.GValue.blob_type, name, blob)


def get_int(image: pyvips.Image, name: str, default: int) -> int:
    """Return an integer metadata field."""
    if not image.get_typeof(name):
        return default
    value: Any = image.get(name)
    return int(value)


def forget_errors() -> None:
    """Empty libvips' error text, which else may carry lines of an older failure into the next message."""
    vips_lib.vips_error_clear()


def reason(error: pyvips.Error) -> str:
    """Return the one line of a libvips error that says most, "" when there is none."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("unable to")]
    telling = [line for line in lines if not line.endswith("load error")] or lines
    return telling[-1] if telling else ""
