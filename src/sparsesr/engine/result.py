"""``UpscaleResult``: an upscaled image and a report on how it was computed."""

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
class Pass:
    """A network that took part in a result."""

    model: str
    scale: int


@dataclass(frozen=True)
class UpscaleResult:
    """An upscaled image and a report on how it was computed."""

    image: Any
    """The kind of object that was passed in; for a file, the path written, or the bytes of the file."""
    run: RunResult
    """The run of the network, without its pixels; tiles, crops and passes are joined."""
    plan: Plan
    """How the network was run, of several the last."""
    notes: tuple[str, ...] = ()
    """Unexpected circumstances, one sentence each."""
    deviation: Deviation | None = None
    """Deviation of tiles from the whole-image result; None without tiles."""
    effort: float | None = None
    """Effort used; None: as trained, or no network that ran has masks."""
    target: TargetReport | None = None
    """How the effort was chosen, if a target was given."""
    passes: tuple[Pass, ...] = ()
    """The networks that ran, in order; none for bicubic."""
    size: tuple[int, int] = (0, 0)
    """(height, width) of the result."""
    is_resized: bool = False
    """True if their result was resized down to its size."""
    seconds: float = 0.0
    """Total time; for a file, including decoding and encoding."""

    @property
    def is_bicubic(self) -> bool:
        """True if no network ran."""
        return not self.run.stats.layers

    @property
    def stats(self) -> Stats:
        """Work, densities and times of the run."""
        return self.run.stats

    @property
    def masks(self) -> list[npt.NDArray[np.bool_]] | None:
        """Active pixels of each module, (H, W) of the input; None unless requested."""
        return self.run.masks


def result_of(run: RunResult, plan: Plan, *notes: str, deviation: Deviation | None = None) -> UpscaleResult:
    """The result with the pixels of a run."""
    return UpscaleResult(run.image, without_pixels(run), plan, notes, deviation)
