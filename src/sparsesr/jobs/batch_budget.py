"""``BatchBudget``: one time, or one number of multiply-adds, for all images of a batch.

Before the first image, all are looked at (:mod:`sparsesr.engine.forecast`). Then one price divides what is left among
the images that are left (:mod:`sparsesr.engine.allocation`), again for every image, since real costs become known: a
rolling horizon. What no plan foresaw, such as an image that vanished or arrived, is shared by the images that follow.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sparsesr.engine.allocation import allocate
from sparsesr.engine.arguments import check_numbers
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.forecast import LEVELS, Forecast
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import BackendError, Parameter, UsageError, Wording
from sparsesr.jobs.budget_share import BudgetShare
from sparsesr.jobs.files import FileResult
from sparsesr.jobs.pacing import Attempt
from sparsesr.jobs.survey import Survey, resized, typical

LOOK_SHARE = 0.05
"""Share of a time after which images are looked at only just before they are upscaled."""
_MS = 1000.0
_TOO_SMALL = "the cheapest way: what was left of the budget is too small for more"
_ELSEWHERE = "bicubic: the budget gains more in other images"


@dataclass(frozen=True)
class _Choice:
    """The level of an image and its expected cost."""

    forecast: Forecast
    level: int
    cost: float
    is_too_small: bool
    """True if all images that are left get their cheapest level."""

    @property
    def effort(self) -> float | None:
        """None: bicubic."""
        return LEVELS[self.level]


class BatchBudget:
    """A budget for one batch; pass it to :func:`sparsesr.jobs.batch.upscale_files`.

    Each image gets the effort where the next millisecond, or multiply-add, buys most. When too little is left, images
    are upscaled in the cheapest way, mostly bicubic, which a note says. A time counts from the creation of the budget.
    """

    def __init__(
        self,
        *,
        seconds: float | None = None,
        macs: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Exactly one of them, greater than 0; UsageError otherwise. ``clock`` returns seconds."""
        check_numbers(seconds=seconds, macs=macs)
        where = Parameter("budget")
        if (seconds is None) == (macs is None):
            raise UsageError("is either a time or a number of multiply-adds", where=where)
        amount = seconds if macs is None else macs
        if amount is None or not 0 < amount < math.inf:
            raise UsageError(f"must be greater than 0, not {amount:g}", where=where)
        self.amount, self.unit = float(amount), "s" if macs is None else "macs"
        self._clock, self._start = clock, clock()
        self._resumed = self._macs = 0.0
        self._survey: Survey | None = None
        self._waiting: dict[Path, Forecast | None] = {}
        self._chosen: _Choice | None = None
        self._finished = self._start
        self.short = 0
        """Images that were upscaled in the cheapest way, mostly bicubic, since too little was left."""

    @property
    def spent(self) -> float:
        """Seconds or multiply-adds so far, those of an interrupted batch included."""
        passed = self._clock() - self._start if self.unit == "s" else self._macs
        return self._resumed + passed

    @property
    def left(self) -> float:
        """Negative if the budget is overdrawn."""
        return self.amount - self.spent

    def resume(self, spent: float) -> None:
        """Count what an interrupted batch had spent."""
        self._resumed = spent

    def expect(self, upscaler: Upscaler, sources: Iterable[Path]) -> None:
        """Look at these files, as many as time allows; those that cannot be read are reported when it is their turn.

        Raises:
            UsageError: the model has no masks, or no table of gains.
        """
        if self._survey is None:
            self._survey = Survey(upscaler, self.unit)
        until = self._clock() + LOOK_SHARE * max(self.left, 0.0) if self.unit == "s" else math.inf
        new = list(sources)
        self._waiting.update(dict.fromkeys(new))
        for source in new:
            if self._clock() > until:
                break
            try:
                self._waiting[source] = self._survey.forecast(source)
            except BackendError:
                raise
            except Exception:  # memory that is short, too, must not end the batch
                del self._waiting[source]  # when it is its turn, it fails and says why
        self._finished = self._clock()

    def options(self, source: Path, options: RunOptions) -> RunOptions:
        """The options with the effort that the plan gives this file now.

        Raises:
            UsageError: the options already choose an effort, or the file's size takes several networks.
            InputError, LimitError: the file cannot be read.
        """
        survey = self._ready
        if options.effort is not None or options.target_ms is not None:
            raise UsageError(
                "chooses the efforts",
                where=Parameter("budget"),
                remedy=Wording("leave {} and {} out", "effort", "target_ms"),
            )
        self._chosen = None
        forecast = self._waiting.pop(source, None)
        if forecast is None or survey.has_changed(source):
            forecast = survey.forecast(source)
        self._chosen = self._choice(forecast)
        return replace(options, effort=self._chosen.effort, is_bicubic=self._chosen.effort is None)

    def _choice(self, forecast: Forecast) -> _Choice:
        """The level of an image, and its expected cost, as the plan for all that is left has it."""
        known = [forecast, *filter(None, self._waiting.values())]
        unknown = [source for source, found in self._waiting.items() if found is None]
        mean = typical(known)
        forecasts = [*known, *(resized(mean, self._ready.output_px(source)) for source in unknown)]
        costs = self._ready.costs.of(forecasts)
        gains = np.stack([each.gains for each in forecasts])
        plan = allocate(gains, costs, max(self.left, 0.0) * self._units)
        level = int(plan.levels[0])
        is_too_small = bool((plan.levels == costs.argmin(axis=1)).all())
        return _Choice(forecast, level, float(costs[0, level]), is_too_small)

    @property
    def _ready(self) -> Survey:
        if self._survey is None:
            raise RuntimeError("files must be expected first")
        return self._survey

    @property
    def _units(self) -> float:
        """Units of the costs in one of the budget."""
        return _MS if self.unit == "s" else 1.0

    def settle(self, source: Path, attempt: Attempt) -> Attempt:
        """Learn from a finished image, and add its share to the result."""
        self._waiting.pop(source, None)
        now = self._clock()
        passed_ms, self._finished = (now - self._finished) * _MS, now
        if not isinstance(attempt, FileResult) or self._chosen is None:
            return attempt
        chosen, done = self._chosen, attempt.upscaled
        self._macs += done.stats.macs
        actual = self._ready.costs.learn(chosen.forecast, chosen.level, done, passed_ms)
        share = BudgetShare(
            self.unit, chosen.effort, chosen.cost / self._units, actual / self._units, self.left
        )
        notes = done.notes
        if chosen.is_too_small:
            self.short += 1
            notes = (*notes, _TOO_SMALL)
        elif chosen.effort is None:
            notes = (*notes, _ELSEWHERE)
        return replace(attempt, upscaled=replace(done, notes=notes), share=share)
