"""``Workplace``: what a worker does, in whatever kind of process."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sparsesr.cluster.items import Answer, Done, Item, PutOff, Settings, Timed
from sparsesr.engine.execute import Cancelled, RunOptions
from sparsesr.engine.plan import Mode, Plan
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import LimitError, SparsesrError, Wording
from sparsesr.image.source import printable
from sparsesr.jobs.batch import attempt_file, located
from sparsesr.jobs.journal import state_of
from sparsesr.jobs.record import record_of
from sparsesr.runtime.precision import adopt_gains


class Workplace:
    """A loaded model and the settings of a batch."""

    def __init__(self, settings: Settings) -> None:
        """Load the model. ModelError or UsageError as :class:`Upscaler`."""
        adopt_gains(settings.gains)
        self._settings = settings
        self._upscaler = Upscaler(
            settings.model,
            **settings.size,
            threads=settings.threads,
            memory=settings.memory,
            inference=settings.inference,
            precision=settings.precision,
        )

    def answer(self, item: Item, cancelled: Cancelled) -> Timed:
        """Upscale a file. Errors, also CancelledError, are answers."""
        start = time.perf_counter()
        return self._answer(item, cancelled), time.perf_counter() - start

    def _answer(self, item: Item, cancelled: Cancelled) -> Answer:
        settings = self._settings
        on_plan = _put_off_tiles if settings.is_shared else None

        @contextmanager
        def watch(source: Path) -> Generator[RunOptions, None, None]:
            yield RunOptions(settings.effort, on_plan=on_plan, cancelled=cancelled)

        write_options = settings.write_options
        if item.replaces or (item.is_again and state_of(item.target) != item.target_state):
            write_options = replace(write_options, overwrite=True)
        outcome = attempt_file(self._upscaler, item.source, item.target, write_options, watch)
        if isinstance(outcome, SparsesrError):
            is_short = settings.is_shared and isinstance(outcome, LimitError) and outcome.asks_for("memory")
            return PutOff() if is_short else located(outcome, printable(item.source))
        record = record_of(outcome, item.source, item.target)
        return Done(record, state_of(item.target))


def _put_off_tiles(plan: Plan) -> None:
    """Tiles change results; alone on the machine, the image may not need them."""
    if plan.mode is Mode.TILES:
        raise LimitError("needs tiles in a share of the memory", remedy=Wording("raise {}", "memory"))
