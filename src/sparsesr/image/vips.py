"""Wrappers for libvips calls that need care: images over numpy memory, binary metadata, error text."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyvips
from pyvips import vips_lib

from sparsesr.errors import check_cancelled
from sparsesr.image.vips_threads import claim

# pyvips logs libvips warnings here; without a handler Python would print them.
logging.getLogger("pyvips").addHandler(logging.NullHandler())

T = TypeVar("T")
_POLL_INTERVAL_S = 0.1
_STOPPING_S = 0.5
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
    claim()
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    data: Any = pixels
    return pyvips.Image.new_from_memory(data, width, height, bands, _FORMATS[pixels.dtype.name])


def as_ordinary(image: pyvips.Image) -> pyvips.Image:
    """Grey or RGB samples of 8 or 16 bits, with or without alpha, marked as such."""
    wide, grey = image.format == "ushort", image.bands <= 2
    return image.copy(interpretation=("grey16" if wide else "b-w") if grey else ("rgb16" if wide else "srgb"))


def run(image: pyvips.Image, work: Callable[[], T], cancelled: Callable[[], bool] | None) -> T:
    """Run ``work``, which computes ``image``; CancelledError soon after ``cancelled`` returns True.

    It runs in a separate thread, because Python does not handle Ctrl-C inside a libvips call.
    """
    if cancelled is None:
        return work()
    results: list[T] = []
    failures: list[BaseException] = []

    def keep_outcome() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=keep_outcome, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_INTERVAL_S)
        if cancelled():
            image.set_kill(True)
            thread.join(_STOPPING_S)  # WebP encoding cannot be stopped, but it writes nothing either
            check_cancelled(cancelled)
    if failures:
        raise failures[0]
    return results[0]


def pixels_of(image: pyvips.Image, cancelled: Callable[[], bool] | None = None) -> npt.NDArray[Any]:
    """Run the image's pipeline and return its pixels as (H, W, C), in memory owned by numpy."""
    memory = run(image, image.write_to_memory, cancelled)
    samples = np.frombuffer(memory, _NUMPY_NAMES[str(image.format)])
    return samples.reshape(image.height, image.width, image.bands)


def get_blob(image: pyvips.Image, name: str) -> bytes | None:
    """Return a binary metadata field; None if it is absent or empty."""
    if not image.get_typeof(name):
        return None
    value: Any = image.get(name)
    return bytes(value) or None


def set_blob(image: pyvips.Image, name: str, value: bytes) -> None:
    """Set a binary metadata field. The caller must own the image, that is, have copied it."""
    blob: Any = value
    image.set_type(pyvips.GValue.blob_type, name, blob)


def get_int(image: pyvips.Image, name: str, default: int) -> int:
    """Return an integer metadata field."""
    if not image.get_typeof(name):
        return default
    value: Any = image.get(name)
    return int(value)


def forget_errors() -> None:
    """Clear libvips' error text, which could otherwise carry lines of an older failure into the next message."""
    vips_lib.vips_error_clear()


def reason(error: pyvips.Error) -> str:
    """Return the most informative line of a libvips error, "" if it has none."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("unable to")]
    telling = [line for line in lines if not line.endswith("load error")] or lines
    return telling[-1] if telling else ""
