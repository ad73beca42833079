"""Choice of the effort that upscales an image in a target time on this machine.

The time of a run has two parts: the cost of every pixel, and the extra cost of active pixels. The current speed of
the machine and the density at each effort are measured on the image itself: evenly spaced strips of its rows are
stacked to a small probe of the same width and upscaled with the least and with the most effort. Between the two,
density is nearly linear in the effort.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import Parameter, UsageError, Wording

Pixels = npt.NDArray[Any]
Masks = Sequence[npt.NDArray[np.bool_]]
RunAtEffort = Callable[[Pixels, float], Masks]
"""Upscales pixels (H, W, 3) with an effort and returns the masks, (H, W) each."""
Clock = Callable[[], float]
"""Monotonic time in seconds, such as ``time.perf_counter``."""

PROBE_FRACTION = 0.08
"""Share of the rows in the probe, which is upscaled twice."""
STRIP_ROWS = 24
"""Consecutive rows per strip, since the network looks at neighbours."""
MIN_STRIPS = 2
SEAM_ROWS = 6
"""Rows next to a seam whose masks are ignored, since the seam is an edge that the image does not have."""


@dataclass(frozen=True)
class CostModel:
    """Time of one image: ``ms = fixed_ms + active_ms * density``."""

    fixed_ms: float
    """Time for the work done at every pixel."""
    active_ms: float
    """Extra time if all pixels were active."""
    least_density: float
    """Density over all masks with effort 0."""
    most_density: float
    """Density over all masks with effort 1."""

    def predicted_ms(self, effort: float) -> float:
        """Predicted time for an effort in 0..1."""
        density = self.least_density + (self.most_density - self.least_density) * effort
        return self.fixed_ms + self.active_ms * density

    def effort_for(self, wanted_ms: float) -> float:
        """The effort that takes ``wanted_ms``; 0 or 1 if none does."""
        least, most = self.predicted_ms(0.0), self.predicted_ms(1.0)
        if wanted_ms <= least:
            return 0.0
        return 1.0 if wanted_ms >= most else (wanted_ms - least) / (most - least)


@dataclass(frozen=True)
class TargetReport:
    """How an effort was chosen, and the outcome. Times in milliseconds."""

    target_ms: float
    effort: float
    probe_ms: float
    """Time spent on choosing."""
    predicted_ms: float
    """Predicted time for choosing and upscaling."""
    reachable_ms: tuple[float, float]
    """Predicted times for the least and the most effort, including choosing."""
    actual_ms: float = 0.0
    """Measured time for choosing and upscaling."""

    @property
    def note(self) -> str | None:
        """A note if no effort meets the target."""
        least, most = self.reachable_ms
        if least <= self.target_ms <= most:
            return None
        which = "least" if self.target_ms < least else "most"
        return (
            f"a target of {self.target_ms:g} ms is out of reach: this image takes about {least:.0f} to"
            f" {most:.0f} ms here; upscaled with the {which} effort"
        )


def check_target(target_ms: float | None, effort: float | None, *, has_masks: bool) -> None:
    """Raise UsageError for an invalid target."""
    if target_ms is None:
        return
    where = Parameter("target_ms")
    if not target_ms > 0:
        raise UsageError(f"must be greater than 0, not {target_ms:g}", where=where)
    if effort is not None:
        raise UsageError("chooses the effort", where=where, remedy=Wording("leave {} out", "effort"))
    if not has_masks:
        raise UsageError(
            "this model computes every pixel; a target needs a model with masks",
            where=where,
            remedy=Wording("choose another {}", "model"),
        )


def choose_effort(
    run: RunAtEffort,
    pixels: Pixels,
    target_ms: float,
    *,
    work_fraction: float = 1.0,
    clock: Clock = time.perf_counter,
) -> TargetReport:
    """Find the effort with which choosing and upscaling together take ``target_ms``.

    Args:
        run: upscales in the same way as the image will be upscaled.
        pixels: the image, (H, W, 3).
        target_ms: total time.
        work_fraction: pixels that will be computed / pixels of the image; more than 1 with tiles.
        clock: source of time; tests pass their own.
    """
    start = clock()
    model = measure_cost(run, pixels, work_fraction, clock)
    probe_ms = (clock() - start) * 1000
    effort = model.effort_for(target_ms - probe_ms)
    least, chosen, most = (probe_ms + model.predicted_ms(value) for value in (0.0, effort, 1.0))
    return TargetReport(target_ms, effort, probe_ms, chosen, (least, most))


def measure_cost(run: RunAtEffort, pixels: Pixels, work_fraction: float, clock: Clock) -> CostModel:
    """Cost of an image, measured by runs on a part of it; arguments as for :func:`choose_effort`."""
    probe = probe_of(pixels)
    run(probe[: STRIP_ROWS // 2], 0.0)  # packs the weights
    least, most = (_Measured.of(run, probe, effort, pixels.shape[0], clock) for effort in (0.0, 1.0))
    scale = work_fraction * pixels.shape[0] / probe.shape[0]
    gained = most.density - least.density
    active_ms = max(most.ms - least.ms, 0.0) / gained if gained > 0 else 0.0
    return CostModel(
        (least.ms - active_ms * least.density) * scale,
        active_ms * scale,
        least.inner_density,
        most.inner_density,
    )


@dataclass(frozen=True)
class _Measured:
    """Measurements of one run on the probe."""

    ms: float
    density: float
    inner_density: float
    """Density without the rows next to seams."""

    @classmethod
    def of(cls, run: RunAtEffort, probe: Pixels, effort: float, height: int, clock: Clock) -> _Measured:
        """``height``: rows of the image; a probe that contains all of them has no seams."""
        start = clock()
        masks = run(probe, effort)
        ms = (clock() - start) * 1000
        by_row = np.mean([mask.mean(axis=1) for mask in masks], axis=0)
        inner = inner_rows(probe.shape[0]) if probe.shape[0] < height else slice(None)
        return cls(ms, float(by_row.mean()), float(by_row[inner].mean()))


def probe_of(pixels: Pixels, strip_rows: int = STRIP_ROWS, fraction: float = PROBE_FRACTION) -> Pixels:
    """Evenly spaced strips of rows, stacked; the image itself if it is small."""
    starts = strip_starts(pixels.shape[0], strip_rows, fraction)
    if starts is None:
        return pixels
    return np.concatenate([pixels[start : start + strip_rows] for start in starts])


def strip_starts(
    height: int, strip_rows: int = STRIP_ROWS, fraction: float = PROBE_FRACTION
) -> list[int] | None:
    """First rows of the strips of a probe, ``strip_rows`` each; None if it is the whole image."""
    strips = max(MIN_STRIPS, round(height * fraction / strip_rows))
    if height <= strips * strip_rows:
        return None
    spare = height - strips * strip_rows
    return [round(spare * (index + 0.5) / strips) + index * strip_rows for index in range(strips)]


def inner_rows(rows: int, strip_rows: int = STRIP_ROWS, seam_rows: int = SEAM_ROWS) -> npt.NDArray[np.bool_]:
    """Mask of the rows of a probe that are not next to a seam."""
    place = np.arange(rows) % strip_rows
    return (place >= seam_rows) & (place < strip_rows - seam_rows)
