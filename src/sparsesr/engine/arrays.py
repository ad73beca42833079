"""Conversion of numpy arrays and PIL images to colour and alpha, and of results back to the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sparsesr.engine.pil_images import is_pil, pil_of, read_pil
from sparsesr.errors import InputError
from sparsesr.image.alpha import fill_transparent, upscale_alpha
from sparsesr.image.colour import to_grey
from sparsesr.image.integer_samples import check_float_range
from sparsesr.image.samples import quantised

Pixels = npt.NDArray[Any]

_WORD = 65535


@dataclass(frozen=True)
class Unpacked:
    """Colour (H, W, 3) and alpha (H, W) of a caller's image, and the conversion back."""

    rgb: Pixels
    alpha: Pixels | None
    pack: Callable[[Pixels, Pixels | None], Any]
    """Upscaled colour and alpha -> the kind of object that was passed in."""
    notes: tuple[str, ...] = ()
    """What was changed, one sentence each."""


def unpack(image: Any) -> Unpacked:
    """Split an array or a PIL image into colour and alpha.

    Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in 0..1, coded like 8-bit samples; results
    are in native byte order. PIL images are treated as files are.

    Raises:
        InputError: the type, shape or dtype is unsupported, there are no pixels, or floats are out of range.
    """
    if is_pil(image):
        return _unpack_pil(image)
    if isinstance(image, np.ndarray):
        return _unpack_array(np.asarray(cast("Pixels", image)))  # a matrix would stay one, of two dimensions
    raise InputError(
        f"cannot upscale a {type(image).__name__}",
        remedy="pass a numpy array or a PIL image, or a path to sparsesr.upscale",
    )


def _unpack_array(array: Pixels) -> Unpacked:
    is_grey = array.ndim == 2
    if not (is_grey or (array.ndim == 3 and array.shape[2] in (3, 4))) or 0 in array.shape:
        raise InputError(
            f"the array has shape {array.shape}", remedy="it must be (H, W), (H, W, 3) or (H, W, 4)"
        )
    if array.dtype.name not in ("uint8", "uint16", "float32"):
        raise InputError(
            f"the array holds {array.dtype}", remedy="convert it to uint8, uint16, or float32 in 0..1"
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "f":
        _check_floats(array)
    if is_grey:
        return Unpacked(array[..., None].repeat(3, axis=2), None, _pack_grey)
    alpha = np.ascontiguousarray(array[..., 3]) if array.shape[2] == 4 else None
    return Unpacked(np.ascontiguousarray(array[..., :3]), alpha, _pack_colour)


def _check_floats(array: Pixels) -> None:
    if not bool(np.isfinite(array).all()):
        raise InputError("the array holds NaN or infinity", remedy="replace those values first")
    check_float_range(array)


def _pack_grey(rgb: Pixels, alpha: Pixels | None) -> Pixels:
    if rgb.dtype.kind == "f":
        grey: Pixels = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    else:
        grey = to_grey(rgb)
    return grey if alpha is None else np.dstack([grey, alpha])


def _pack_colour(rgb: Pixels, alpha: Pixels | None) -> Pixels:
    return rgb if alpha is None else np.dstack([rgb, alpha])


def _unpack_pil(image: Any) -> Unpacked:
    if str(image.mode) == "F":
        return _unpack_pil_floats(image)
    read = read_pil(image)
    return Unpacked(read.image.rgb, read.image.alpha, read.pack, tuple(read.notes))


def _unpack_pil_floats(image: Any) -> Unpacked:
    levels = _unpack_array(np.asarray(image))

    def pack(rgb: Pixels, alpha: Pixels | None) -> Any:
        return pil_of(levels.pack(rgb, alpha), dict(image.info))

    return replace(levels, pack=pack)


def without_holes(rgb: Pixels, alpha: Pixels | None) -> Pixels:
    """Colours with transparent pixels filled for the network; see :mod:`sparsesr.image.alpha`."""
    if alpha is None:
        return rgb
    if rgb.dtype.kind != "f":
        return fill_transparent(rgb, alpha)
    filled = fill_transparent(quantised(rgb, np.uint16), quantised(alpha, np.uint16))
    return np.where(alpha[..., None] > 0, rgb, filled.astype(np.float32) / np.float32(_WORD))


def upscaled_alpha(alpha: Pixels | None, scale: int) -> Pixels | None:
    """The upscaled alpha plane; floats are clipped to 0..1."""
    if alpha is None:
        return None
    upscaled = upscale_alpha(alpha, scale)
    return np.clip(upscaled, 0, 1) if upscaled.dtype.kind == "f" else upscaled
