"""Latency of several contenders, interleaved.

Clock speeds change from second to second, so contenders take turns: each round runs every one of them once, after an
uncounted warm-up round. Figures are medians over the rounds; compare only figures of the same rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from sparsesr.measure.machine import Machine, this_machine
from sparsesr.runtime.backend.interface import Image
from sparsesr.runtime.session import RunResult, Session

Clock = Callable[[], float]


def _whole(result: Any) -> Any:
    return result


@dataclass(frozen=True)
class Contender:
    """Something to time, with its threads and precision."""

    run: Callable[[], Any]
    threads: int
    precision: str = "fp32"
    keep: Callable[[Any], Any] = _whole
    """What is kept of a result for :attr:`Timing.results`; not timed."""


def session_contender(session: Session, image: Image, **options: Any) -> Contender:
    """Return a contender that runs a session on an image; ``options`` are those of :meth:`Session.run`.

    Of its results, all but the images are kept: those of large photographs would fill the memory.
    """
    return Contender(
        lambda: session.run(image, **options), session.threads, session.precision, _without_image
    )


def _without_image(result: RunResult) -> RunResult:
    return replace(result, image=np.empty((0, 0, 3), result.image.dtype))


@dataclass(frozen=True)
class Timing:
    """Times of interleaved contenders on one machine, by name."""

    machine: Machine
    contenders: Mapping[str, Contender]
    rounds_ms: Mapping[str, Sequence[float]]
    results: Mapping[str, Sequence[Any]]
    """What the contenders keep of the results of the timed runs."""

    def ms(self, name: str) -> float:
        """Median time over the rounds."""
        return median(self.rounds_ms[name])

    def speed_up(self, name: str, over: str) -> float:
        """Time of ``over`` / time of ``name``."""
        return self.ms(over) / self.ms(name)

    def to_json(self) -> dict[str, Any]:
        """``{"machine": {...}, "runs": [{"name", "threads", "precision", "ms", "rounds_ms"}, ...]}``."""
        runs = [
            {
                "name": name,
                "threads": contender.threads,
                "precision": contender.precision,
                "ms": self.ms(name),
                "rounds_ms": list(self.rounds_ms[name]),
            }
            for name, contender in self.contenders.items()
        ]
        return {"machine": asdict(self.machine), "runs": runs}


def time_in_turns(
    contenders: Mapping[str, Contender],
    rounds: int,
    clock: Clock = time.perf_counter,
    *,
    warm_up: bool = True,
) -> Timing:
    """Run every contender once to warm up, then ``rounds`` times in turns.

    Args:
        contenders: by name.
        rounds: timed runs of each, at least 1.
        clock: returns seconds.
        warm_up: False if the contenders are warm.
    """
    for contender in contenders.values() if warm_up else ():
        contender.run()
    rounds_ms: dict[str, list[float]] = {name: [] for name in contenders}
    results: dict[str, list[Any]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            kept, ms = _timed(contender, clock)
            results[name].append(kept)
            rounds_ms[name].append(ms)
    return Timing(this_machine(), contenders, rounds_ms, results)


def _timed(contender: Contender, clock: Clock) -> tuple[Any, float]:
    """What is kept of a result, and milliseconds; the rest is freed before the next contender runs."""
    start = clock()
    result = contender.run()
    ms = (clock() - start) * 1000
    return contender.keep(result), ms
