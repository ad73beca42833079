"""MATLAB's bicubic to any size: after networks that enlarge too much, or instead of them."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.arrays import without_holes
from sparsesr.engine.execute import Cancelled
from sparsesr.engine.plan import Plan
from sparsesr.engine.result import UpscaleResult
from sparsesr.errors import check_cancelled
from sparsesr.image.resize import imresize
from sparsesr.runtime.session import RunResult
from sparsesr.runtime.stats import Stats

Pixels = npt.NDArray[Any]
Factors = tuple[Fraction, Fraction]
"""Output size / input size, down and across."""


def resized(
    rgb: Pixels,
    alpha: Pixels | None,
    factors: Factors,
    size: tuple[int, int],
    cancelled: Cancelled | None = None,
) -> tuple[Pixels, Pixels | None]:
    """Resize (H, W, 3) colours and (H, W) alpha to ``size``, (height, width), which ``factors`` give rounded up."""
    check_cancelled(cancelled)
    down, across = factors
    # One factor, as in MATLAB, samples at the exact places even if a size had to be rounded up.
    target: Fraction | tuple[int, int] = down if down == across else size
    small = imresize(rgb, target)
    return small, None if alpha is None else _clipped(imresize(alpha, target, edge="clamp"))


def _clipped(alpha: Pixels) -> Pixels:
    return np.clip(alpha, 0, 1) if alpha.dtype.kind == "f" else alpha


def interpolated(
    rgb: Pixels,
    alpha: Pixels | None,
    factors: Factors,
    size: tuple[int, int],
    plan: Plan,
    cancelled: Cancelled | None = None,
) -> tuple[UpscaleResult, Pixels | None]:
    """Enlarge without a network; multiply-adds are counted for networks only, so 0. Arguments as for resizing."""
    start = time.perf_counter()
    image, alpha = resized(without_holes(rgb, alpha), alpha, factors, size, cancelled)
    stats = Stats((time.perf_counter() - start) * 1000, (), 0, 0, {}, 0.0)
    run = RunResult(np.empty((0, 0, 3), rgb.dtype), stats, None, {})
    return UpscaleResult(image, run, plan, size=size, is_resized=True), alpha
