"""Plausibility check of results: a visibly broken image must never be reported as a success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import ResultError, Wording

Pixels = npt.NDArray[Any]

_MEAN_TOLERANCE = 12 / 255
_BORDER_TOLERANCE_PX = 40 / 255
"""Extra tolerance for borders, where networks read zeros beyond the image; measured on small noise images."""
_TARGET_SAMPLES = 1_000_000


def check_result(
    pixels: Pixels, upscaled: Pixels, scale: int, attention: Mapping[str, npt.NDArray[np.float32]], model: str
) -> None:
    """Raise ResultError if ``upscaled`` cannot be the upscaled ``pixels``.

    Checks the size, that values are finite (including the attention vectors, since integer pixels hide a NaN), and
    that the mean of each channel, which upscaling preserves, differs by at most 12/255 plus 40/255 divided by the
    shorter side in pixels. Large images are sampled.
    """
    height, width = pixels.shape[:2]
    if upscaled.shape != (height * scale, width * scale, 3) or upscaled.dtype != pixels.dtype:
        raise _broken(model, f"returned {upscaled.shape} {upscaled.dtype} for {pixels.shape}")
    vectors_finite = all(bool(np.isfinite(vector).all()) for vector in attention.values())
    if not vectors_finite or (upscaled.dtype.kind == "f" and not _is_finite(upscaled)):
        raise _broken(model, "the result contains values that are not numbers")
    shift = float(np.abs(_mean(upscaled) - _mean(pixels)).max())
    if shift > _MEAN_TOLERANCE + _BORDER_TOLERANCE_PX / min(height, width):
        raise _broken(model, f"the mean colour of the result differs by {shift * 255:.0f}/255 from the input")


def _broken(model: str, what: str) -> ResultError:
    return ResultError(f"{model}: {what}", remedy=Wording("try another {}, or `sparsesr doctor`", "model"))


def _is_finite(pixels: Pixels) -> bool:
    return all(bool(np.isfinite(row).all()) for row in pixels)


def _mean(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Mean of each channel on a 0..1 scale, over a regular grid of samples."""
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / _TARGET_SAMPLES) ** 0.5))
    peak = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return pixels[::step, ::step].reshape(-1, 3).mean(axis=0, dtype=np.float64) / peak
