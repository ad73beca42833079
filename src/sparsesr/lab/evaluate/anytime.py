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


class Anytime:
    """Gives the answer of the latest exit that is expected to be reached in time; the first exit always answers.

    What the way to an exit takes is learned from the batches before: the slowest of the last few. Each time that an
    exit is left out the oldest of these is forgotten, so one slow batch does not close an exit for good.

    Raises:
        UsageError: the deadline is not a positive number.
    """

    def __init__(
        self, network: AnyExitNetwork, deadline_ms: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if not deadline_ms > 0 or math.isinf(deadline_ms):
            raise UsageError(f"{deadline_ms:g} must be a number above 0", where=Parameter("deadline_ms"))
        self.network, self.deadline_ms, self._clock = network, deadline_ms, clock
        self._recent_s: list[list[float]] = [[] for _ in range(network.config.exits)]

    def learn(self, image_B3HW: Tensor) -> None:
        """Time all exits on a batch of the size to come; an exit that was never timed is taken for free."""
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
            if before - started + max(self._recent_s[index], default=0.0) > deadline_s:
                del self._recent_s[index][:1]
                break
            logits_BK, progress = self.network.advance(progress)
            before, reached = self._remember(index, before), index
        return Answers(logits_BK, torch.full((len(image_B3HW),), reached))

    def _remember(self, index: int, before: float) -> float:
        """Note what the way to an exit took; returns the time."""
        now = self._clock()
        self._recent_s[index] = [*self._recent_s[index], now - before][-_REMEMBERED:]
        return now
