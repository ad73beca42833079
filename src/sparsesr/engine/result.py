"""``UpscaleResult``: an upscaled image and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.joining import without_pixels
from sparsesr.engine.plan import Plan
from sparsesr.engine.target import TargetReport
from sparsesr.engine.tiles import Deviation
from sparsesr.runtime.session import RunResult
from sparsesr.runtime.stats import Stats


@dataclass(frozen=True)
class UpscaleResult:
    """An upscaled image and how it came about."""

    image: Any
    """The same kind of object that was given; for a file, the path that was written, or the bytes of the file."""
    run: RunResult
    """Of the network, without its pixels; tiles and crops are joined."""
    plan: Plan
    notes: tuple[str, ...] = ()
    """What is not as one might expect, one sentence each."""
    deviation: Deviation | None = None
    """How far tiles are from the whole-image result; None if no tiles were needed."""
    effort: float | None = None
    """What was used; None: as trained."""
    target: TargetReport | None = None
    """How the effort was chosen, if a target was given."""
    seconds: float = 0.0
    """All in all; for a file, decoding and encoding included."""

    @property
    def stats(self) -> Stats:
        """What was computed, and how long it took."""
        return self.run.stats

    @property
    def masks(self) -> list[npt.NDArray[np.bool_]] | None:
        """Where each module worked, (H, W) of the input; None unless asked for."""
        return self.run.masks


def result_of(run: RunResult, plan: Plan, *notes: str, deviation: Deviation | None = None) -> UpscaleResult:
    """The result with the pixels of a run."""
    return UpscaleResult(run.image, without_pixels(run), plan, notes, deviation)
