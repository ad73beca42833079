"""Which effort upscales this image in a target time, on this machine, right now.

The time of a run has two parts: what every pixel costs, and what active pixels cost on top. How fast this
machine is now, and how many pixels of this picture are active at which effort, is measured on the picture
itself: strips of rows, taken evenly from it and stacked to a small picture as wide, are enlarged with the
least and with the most effort. Between the two, density is close to linear in the effort.
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
"""Enlarges pixels (H, W, 3) with an effort and returns the masks, (H, W) each."""
Clock = Callable[[], float]
"""Seconds that only differ by what has passed, such as ``time.perf_counter``."""

PROBE_FRACTION = 0.08
"""Share of the rows that is enlarged to find out; twice."""
STRIP_ROWS = 24
"""Rows that are taken together, for the network looks at neighbours."""
MIN_STRIPS = 2
SEAM_ROWS = 6
"""Rows next to a seam whose masks do not count: the seam is an edge that the picture does not have."""


@dataclass(frozen=True)
class CostModel:
    """Time of one picture: ``ms = fixed_ms + active_ms * density``."""

    fixed_ms: float
    """What is computed at every pixel."""
    active_ms: float
    """What active pixels cost on top, if all were."""
    least_density: float
    """Active pixels, over all masks, with effort 0."""
    most_density: float
    """With effort 1."""

    def predicted_ms(self, effort: float) -> float:
        """Time with an effort in 0..1."""
        density = self.least_density + (self.most_density - self.least_density) * effort
        return self.fixed_ms + self.active_ms * density

    def effort_for(self, wanted_ms: float) -> float:
        """The effort that takes so long; 0 or 1 where none does."""
        least, most = self.predicted_ms(0.0), self.predicted_ms(1.0)
        if wanted_ms <= least:
            return 0.0
        return 1.0 if wanted_ms >= most else (wanted_ms - least) / (most - least)


@dataclass(frozen=True)
class TargetReport:
    """How an effort was chosen, and what came of it. Times in milliseconds."""

    target_ms: float
    effort: float
    probe_ms: float
    """What choosing took."""
    predicted_ms: float
    """Choosing and enlarging."""
    reachable_ms: tuple[float, float]
    """From the least effort to the most, choosing included."""
    actual_ms: float = 0.0
    """Choosing and enlarging, as it turned out."""

    @property
    def note(self) -> str | None:
        """What to tell if no effort meets the target."""
        least, most = self.reachable_ms
        if least <= self.target_ms <= most:
            return None
        which = "least" if self.target_ms < least else "most"
        return (
            f"a target of {self.target_ms:g} ms is out of reach: this picture takes about {least:.0f} to"
            f" {most:.0f} ms here; enlarged with the {which} effort"
        )


def check_target(target_ms: float | None, effort: float | None, *, has_masks: bool) -> None:
    """UsageError for a target that means nothing."""
    if target_ms is None:
        return
    where = Parameter("target_ms")
    if not target_ms > 0:
        raise UsageError(f"must be more than 0, not {target_ms:g}", where=where)
    if effort is not None:
        raise UsageError("chooses the effort", where=where, remedy=Wording("leave {} out", "effort"))
    if not has_masks:
        raise UsageError(
            "this model computes every pixel; only models with masks can be given a target",
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
    """Find the effort with which choosing and enlarging together take ``target_ms``.

    Args:
        run: enlarges as the picture will be enlarged.
        pixels: the picture, (H, W, 3).
        target_ms: time for all of it.
        work_fraction: pixels that will be computed / pixels of the picture; more than 1 with tiles.
        clock: what measures; tests bring their own.
    """
    start = clock()
    model = measure_cost(run, pixels, work_fraction, clock)
    probe_ms = (clock() - start) * 1000
    effort = model.effort_for(target_ms - probe_ms)
    least, chosen, most = (probe_ms + model.predicted_ms(value) for value in (0.0, effort, 1.0))
    return TargetReport(target_ms, effort, probe_ms, chosen, (least, most))


def measure_cost(run: RunAtEffort, pixels: Pixels, work_fraction: float, clock: Clock) -> CostModel:
    """The cost of a picture, from runs on a part of it; arguments as of :func:`choose_effort`."""
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
    """One run on the probe."""

    ms: float
    density: float
    inner_density: float
    """Without the rows next to seams."""

    @classmethod
    def of(cls, run: RunAtEffort, probe: Pixels, effort: float, height: int, clock: Clock) -> _Measured:
        """``height``: rows of the picture; a probe that has them all has no seams."""
        start = clock()
        masks = run(probe, effort)
        ms = (clock() - start) * 1000
        by_row = np.mean([mask.mean(axis=1) for mask in masks], axis=0)
        inner = inner_rows(probe.shape[0]) if probe.shape[0] < height else slice(None)
        return cls(ms, float(by_row.mean()), float(by_row[inner].mean()))


def probe_of(pixels: Pixels) -> Pixels:
    """Strips of rows, evenly spread, on top of each other; the picture itself if it is small."""
    height = pixels.shape[0]
    strips = max(MIN_STRIPS, round(height * PROBE_FRACTION / STRIP_ROWS))
    if height <= strips * STRIP_ROWS:
        return pixels
    spare = height - strips * STRIP_ROWS
    starts = [round(spare * (index + 0.5) / strips) + index * STRIP_ROWS for index in range(strips)]
    return np.concatenate([pixels[start : start + STRIP_ROWS] for start in starts])


def inner_rows(rows: int) -> npt.NDArray[np.bool_]:
    """Which rows of a probe are not next to a seam."""
    place = np.arange(rows) % STRIP_ROWS
    return (place >= SEAM_ROWS) & (place < STRIP_ROWS - SEAM_ROWS)
