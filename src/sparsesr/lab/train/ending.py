"""End conditions of a run: last step, time limit, stop request, or a learning-rate decay timed for a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparsesr.errors import UsageError, Wording
from sparsesr.lab.train.recipe import Recipe

_MEASURED_STEPS = 20
"""Fewest steps that the speed is measured over, after as many slow ones."""
_MEASURED_SHARE = 0.02
"""Smallest share of the time until the deadline that it is measured over: a decay that has begun is not stretched."""


@dataclass
class Ending:
    """Checked on the host after the steps at which the loop looks for stop requests."""

    max_minutes: float | None = None
    """Save and stop after this time; the run can be resumed."""
    finish_within: float | None = None
    """Start the decay of a wsd schedule in time to finish after this many minutes."""
    should_stop: Callable[[], bool] = lambda: False
    _started: float = field(default_factory=time.monotonic)
    _settled: tuple[int, float] | None = None
    """Steps done and seconds elapsed when start-up and the first, slow steps were over."""

    def check(self, recipe: Recipe) -> None:
        """Raise UsageError if ``finish_within`` is set and the recipe has no decay."""
        if self.finish_within is not None and not (recipe.schedule == "wsd" and recipe.lr_decay_steps):
            raise UsageError(
                "finish_within needs a decay: set schedule=wsd and lr_decay_steps, or use max_minutes"
            )

    def is_due(self) -> bool:
        """True if the run should save and stop now."""
        late = self.max_minutes is not None and self._elapsed_s() > 60 * self.max_minutes
        return late or self.should_stop()

    def decay_steps(self, recipe: Recipe, step: int, steps_done: int) -> int:
        """Length of the decay if it must start after ``step``, else 0.

        ``steps_done`` counts the steps of this call. A decay that no longer fits before the deadline is shortened.
        """
        if self.finish_within is None or step + recipe.lr_decay_steps >= recipe.steps:
            return 0
        if self._settled is None and steps_done >= _MEASURED_STEPS:
            self._settled = steps_done, self._elapsed_s()
        if self._settled is None or steps_done < self._settled[0] + _MEASURED_STEPS:
            return 0
        measured_s = self._elapsed_s() - self._settled[1]
        if measured_s < _MEASURED_SHARE * 60 * self.finish_within:
            return 0
        seconds_per_step = measured_s / (steps_done - self._settled[0])
        fitting = int((60 * self.finish_within - self._elapsed_s()) / seconds_per_step)
        return max(fitting, 1) if fitting <= recipe.lr_decay_steps else 0

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started


def decaying(recipe: Recipe, step: int, decay_steps: int) -> Recipe:
    """The recipe with its decay starting after ``step``."""
    return replace(recipe, steps=step + decay_steps, lr_decay_steps=decay_steps)


def length(recipe: Recipe) -> list[int]:
    """What a decay for a deadline changes."""
    return [recipe.steps, recipe.lr_decay_steps]


def continued(recipe: Recipe, stored: Mapping[str, Any]) -> Recipe:
    """The recipe with the decay that a deadline had begun in a checkpoint, unless another length is asked for now.

    Raises:
        UsageError: the checkpoint has more steps than are asked for.
    """
    if stored.get("asked_length") == length(recipe):
        return replace(recipe, **{name: stored["recipe"][name] for name in ("steps", "lr_decay_steps")})
    done = stored["step"]
    if done > recipe.steps:
        remedy = Wording(f"set {{}} to at least {done}", "recipe.steps")
        raise UsageError(f"the run has done {done:,} of {recipe.steps:,} steps", remedy=remedy)
    return recipe
