"""Is a result plausible? A picture that is broken in plain sight must never be called success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import ResultError, Wording

Pixels = npt.NDArray[Any]

_MEAN_TOLERANCE = 12 / 255
_BORDER_TOLERANCE_PX = 40 / 255
"""Beyond the border networks see zeros, not the picture; measured on small pictures of noise."""
_TARGET_SAMPLES = 1_000_000


def check_result(
    given: Pixels, enlarged: Pixels, scale: int, attention: Mapping[str, npt.NDArray[np.float32]], model: str
) -> None:
    """Raise ResultError when ``enlarged`` cannot be the enlarged ``given``.

    Checked: size, finite values (also of the attention vectors: integer pixels hide a NaN), and the mean of
    each channel, which enlarging leaves alone, within 12/255, and 40/255 more over the shorter side in pixels. On large
    pictures samples are looked at.
    """
    height, width = given.shape[:2]
    if enlarged.shape != (height * scale, width * scale, 3) or enlarged.dtype != given.dtype:
        raise _broken(model, f"gave {enlarged.shape} {enlarged.dtype} for {given.shape}")
    vectors_finite = all(bool(np.isfinite(vector).all()) for vector in attention.values())
    if not vectors_finite or (enlarged.dtype.kind == "f" and not _is_finite(enlarged)):
        raise _broken(model, "the result holds values that are not numbers")
    shift = float(np.abs(_mean(enlarged) - _mean(given)).max())
    if shift > _MEAN_TOLERANCE + _BORDER_TOLERANCE_PX / min(height, width):
        raise _broken(model, f"the result's mean colour is {shift * 255:.0f}/255 away from the picture's")


def _broken(model: str, what: str) -> ResultError:
    return ResultError(f"{model}: {what}", remedy=Wording("try another {}, or `sparsesr doctor`", "model"))


def _is_finite(pixels: Pixels) -> bool:
    return all(bool(np.isfinite(row).all()) for row in pixels)


def _mean(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Mean of each channel on a 0..1 scale, over a regular grid of samples."""
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / _TARGET_SAMPLES) ** 0.5))
    peak = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return pixels[::step, ::step].reshape(-1, 3).mean(axis=0, dtype=np.float64) / peak
