"""``Savings``: what the masks of a job saved, measured on a sample of its image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.target import STRIP_ROWS, strip_starts
from sparsesr.engine.upscaler import Upscaler
from sparsesr.measure.mask_report import measure_masks
from sparsesr.serve.images import SourceImage
from sparsesr.serve.lane import Task

_REPEATS = 2
_LARGE_PX = 1_000_000
"""A sample of so many pixels is measured once."""
_SMALL_PX = 400_000
"""An image of so many pixels is measured whole."""
_LEAST_PX = 2


@dataclass(frozen=True)
class Savings:
    """Times of the network over the whole image."""

    ms: float
    """As it ran."""
    ms_dense: float
    """If it had computed every pixel: the measured time, times the ratio of dense and sparse runs on the sample."""
    sample_rows: int
    """Rows of the image in the sample."""


def measure_savings(
    upscaler: Upscaler, image: SourceImage, effort: float | None, network_ms: float, task: Task
) -> Savings | None:
    """Run sparse and dense on rows of the image; None for an image without enough pixels."""
    if min(image.height, image.width) < _LEAST_PX:
        return None
    sample = _sample_of(image)
    repeats = _REPEATS if sample.shape[0] * sample.shape[1] < _LARGE_PX else 1
    route = upscaler.planned_route(sample)
    options = RunOptions(effort, cancelled=task.should_stop)
    with upscaler.reserved(route, task.should_stop):
        total = measure_masks(upscaler, sample, options, repeats).total
        upscaler.release_buffers()
    ratio = total.ms_dense / total.ms if total.ms > 0 else 1.0
    return Savings(network_ms, network_ms * ratio, sample.shape[0])


def _sample_of(image: SourceImage) -> npt.NDArray[np.uint8]:
    starts = strip_starts(image.height)
    if starts is None or image.height * image.width <= _SMALL_PX:
        return image.part(0, 0, image.height, image.width)[..., :3]
    strips = [image.part(start, 0, STRIP_ROWS, image.width)[..., :3] for start in starts]
    return np.concatenate(strips)
