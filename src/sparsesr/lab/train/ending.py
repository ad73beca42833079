"""When a run ends: by its recipe, by the clock, on request, or decayed in time for a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sparsesr.errors import UsageError
from sparsesr.lab.train.recipe import Recipe

_MEASURED_STEPS = 20
"""Steps before the speed of a run is known."""


@dataclass
class Ending:
    """Asked after every step, on the host."""

    max_minutes: float | None = None
    """Stop after this time; the run can be resumed."""
    finish_within: float | None = None
    """Begin the decay of a wsd schedule in time to finish after so many minutes."""
    should_stop: Callable[[], bool] = lambda: False
    _began: float = field(default_factory=time.monotonic)

    def check(self, recipe: Recipe) -> None:
        """UsageError if the recipe has no decay to finish with."""
        if self.finish_within is not None and not (recipe.schedule == "wsd" and recipe.lr_decay_steps):
            raise UsageError(
                "finish_within needs a decay: set schedule=wsd and lr_decay_steps, or use max_minutes"
            )

    def is_due(self) -> bool:
        """Whether to save and stop now."""
        late = self.max_minutes is not None and self._elapsed_s() > 60 * self.max_minutes
        return late or self.should_stop()

    def decay_steps(self, recipe: Recipe, step: int, steps_done: int) -> int:
        """Length of a decay that has to begin after ``step``; 0: not yet.

        ``steps_done`` were done in this call. The decay of the recipe is shortened if it does not fit any more.
        """
        if self.finish_within is None or step + recipe.lr_decay_steps >= recipe.steps:
            return 0
        if steps_done < _MEASURED_STEPS:
            return 0
        seconds_per_step = self._elapsed_s() / steps_done
        fitting = int((60 * self.finish_within - self._elapsed_s()) / seconds_per_step)
        return max(fitting, 1) if fitting <= recipe.lr_decay_steps else 0

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began


def decaying(recipe: Recipe, step: int, decay_steps: int) -> Recipe:
    """The recipe with its decay beginning after ``step``."""
    return replace(recipe, steps=step + decay_steps, lr_decay_steps=decay_steps)
