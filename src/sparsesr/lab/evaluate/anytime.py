"""Answers of a classifier with exits by a deadline.

Shape suffixes: B batch, K classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from sparsesr.errors import Parameter, UsageError
from sparsesr.lab.evaluate.early_exit import Answers
from sparsesr.lab.nn.exit_network import AnyExitNetwork

_REMEMBERED = 5
_LEARNED = 3
"""Passes in which times are learned: the first is slow."""


class _Way:
    """What the way to an exit took."""

    def __init__(self) -> None:
        self._recent_s: list[float] = []
        self._least_s = 0.0

    @property
    def expected_s(self) -> float:
        """The slowest of the last few times; the least of all if these are forgotten, 0 if there was none."""
        return max(self._recent_s, default=self._least_s)

    def note(self, taken_s: float) -> None:
        """Remember a time."""
        self._least_s = min(self._least_s, taken_s) if self._least_s else taken_s
        self._recent_s = [*self._recent_s, taken_s][-_REMEMBERED:]

    def forget_oldest(self) -> None:
        """Forget the oldest of the last few times."""
        del self._recent_s[:1]


class Anytime:
    """Gives the answer of the latest exit that is expected to be reached in time; the first exit always answers.

    What the way to an exit takes is learned from the batches before: the slowest of the last few. Each time that an
    exit is left out the oldest of these is forgotten, so one slow batch does not close an exit for good; when all are,
    the least time ever counts, so an exit that was never reached in time stays closed.

    Raises:
        UsageError: the deadline is not a positive number.
    """

    def __init__(
        self, network: AnyExitNetwork, deadline_ms: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if not deadline_ms > 0 or math.isinf(deadline_ms):
            raise UsageError(f"{deadline_ms:g} must be a number above 0", where=Parameter("deadline_ms"))
        self.network, self.deadline_ms, self._clock = network, deadline_ms, clock
        self._ways = [_Way() for _ in range(network.config.exits)]

    def learn(self, image_B3HW: Tensor) -> None:
        """Time all exits on a batch of the size to come; an exit that was never timed is taken for free."""
        for _ in range(_LEARNED):
            self._run(image_B3HW, math.inf)

    def classify(self, image_B3HW: Tensor) -> Answers:
        """Answer a batch by the deadline."""
        return self._run(image_B3HW, self.deadline_ms / 1e3)

    @torch.inference_mode()
    def _run(self, image_B3HW: Tensor, deadline_s: float) -> Answers:
        started = before = self._clock()
        logits_BK, progress = self.network.advance(self.network.start(image_B3HW))
        before = self._remember(0, before)
        reached = 0
        for index in range(1, self.network.config.exits):
            if before - started + self._ways[index].expected_s > deadline_s:
                self._ways[index].forget_oldest()
                break
            logits_BK, progress = self.network.advance(progress)
            before, reached = self._remember(index, before), index
        return Answers(logits_BK, torch.full((len(image_B3HW),), reached))

    def _remember(self, index: int, before: float) -> float:
        """Note what the way to an exit took; returns the time."""
        now = self._clock()
        self._ways[index].note(now - before)
        return now
