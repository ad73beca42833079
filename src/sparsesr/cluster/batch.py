"""Batches by a fleet of workers: the coordinator."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sparsesr.cluster.fleet import Answered, Fleet, Lost, Remark
from sparsesr.cluster.items import Answer, Done, Item, PutOff
from sparsesr.cluster.manifest import Manifest
from sparsesr.cluster.schedule import MOST_KILLS, Schedule
from sparsesr.errors import BackendError, CancelledError, SparsesrError, Wording
from sparsesr.image.source import printable
from sparsesr.image.temporary import remove_stale
from sparsesr.jobs.batch import Skipped, existing
from sparsesr.jobs.journal import state_of

_POLL_INTERVAL_S = 0.1
_STOPPING_S = 5.0

Outcome = Done | Skipped | SparsesrError
Settled = tuple[Path, Path, Outcome]


@dataclass(frozen=True)
class Rules:
    """What is done about outputs that exist."""

    overwrite: bool = False
    skip_existing: bool = False


def upscale_batch(
    fleet: Fleet,
    targets: Mapping[Path, Path],
    manifest: Manifest,
    rules: Rules,
    cancelled: Callable[[], bool],
    remark: Callable[[Remark], None],
) -> Generator[Settled, None, None]:
    """Upscale inputs to outputs with all workers; yield (input, output, outcome) in the order in which they end.

    Images that need more memory than a worker's share are done at the end, one at a time on each machine, so results
    are those of ``upscale``. ``remark`` gets what is to be known about machines. The caller closes the fleet.

    Raises:
        CancelledError: ``cancelled`` returned True; the manifest knows what has been done.
        BackendError: no worker is left.
        InputError: the manifest cannot be written.
    """
    folders = {target.parent for target in targets.values()}
    for folder in folders:
        remove_stale(folder)
    passes = _Passes(fleet, manifest, cancelled, remark)
    try:
        yield from passes.run(_entries(targets, manifest, rules), len(targets), is_shared=True)
        if put_off := passes.take_put_off():
            yield from passes.run(iter(put_off), len(put_off), is_shared=False)
    finally:
        for folder in folders if passes.has_losses else ():
            remove_stale(folder, even_again=True)


def _entries(targets: Mapping[Path, Path], manifest: Manifest, rules: Rules) -> Iterator[Item | Settled]:
    """What is to be done, found out file by file as workers need it."""
    for source, target in targets.items():
        past = manifest.past(source, target)
        if isinstance(past, Skipped):
            yield source, target, past
            continue
        item = Item(
            source,
            target,
            replaces=past or rules.overwrite,
            source_state=state_of(source),
            target_state=state_of(target),
        )
        found = existing(source, target) if rules.skip_existing and not past else None
        if found is not None:
            manifest.skipped(item, found)
        yield item if found is None else (source, target, found)


class _Passes:
    """Passes over files, each with one division of the machines."""

    def __init__(
        self,
        fleet: Fleet,
        manifest: Manifest,
        cancelled: Callable[[], bool],
        remark: Callable[[Remark], None],
    ) -> None:
        self._fleet, self._manifest = fleet, manifest
        self._cancelled, self._remark = cancelled, remark
        self._put_off: list[Item] = []
        self.has_losses = False
        """True if a worker died, which may have left a temporary file."""
        self._settled: deque[Settled] = deque()

    def run(
        self, entries: Iterator[Item | Settled], count: int, *, is_shared: bool
    ) -> Generator[Settled, None, None]:
        """One pass; see :func:`upscale_batch`."""
        work = yield from self._first_work(entries)
        if work is None:
            return
        item, count = work[0], count - work[1]
        self._schedule = Schedule(self._noting_settled(chain([item], entries)), count)
        self._fleet.start(count, is_shared=is_shared)
        while not self._schedule.is_done:
            if self._cancelled():
                yield from self._stop()
            self._hand_out()
            self._take_in(0 if self._settled else _POLL_INTERVAL_S)
            yield from self._drained()
        yield from self._drained()

    def _first_work(
        self, entries: Iterator[Item | Settled]
    ) -> Generator[Settled, None, tuple[Item, int] | None]:
        """Yield what needs no work up to the first file that does; return that and the number of the others."""
        for before, entry in enumerate(entries):
            if self._cancelled():
                raise _interrupted()
            if isinstance(entry, Item):
                return entry, before
            yield entry
        return None

    def take_put_off(self) -> list[Item]:
        """The files that were put off so far, once."""
        taken, self._put_off = self._put_off, []
        return taken

    def _noting_settled(self, entries: Iterator[Item | Settled]) -> Iterator[Item | None]:
        for entry in entries:
            if not isinstance(entry, Item):
                self._settled.append(entry)
            yield entry if isinstance(entry, Item) else None

    def _hand_out(self) -> None:
        ready = self._fleet.ready
        for worker in ready:
            chunk = self._schedule.next_chunk(worker, len(ready))
            if chunk:
                self._manifest.begin(chunk)
                self._fleet.give(worker, chunk)

    def _take_in(self, timeout_s: float) -> None:
        for event in self._fleet.events(timeout_s):
            if isinstance(event, Answered):
                self._settle_all(event)
            elif isinstance(event, Remark):
                self._remark(event)
            else:
                self._bury(event)

    def _settle_all(self, event: Answered) -> None:
        for answer, seconds in event.answers:
            self._settle(self._schedule.answered(event.worker, seconds), answer)

    def _bury(self, lost: Lost) -> None:
        self.has_losses = True
        for item in self._schedule.lost(lost.worker):
            error = BackendError(
                f"{MOST_KILLS} workers died of it one after the other, possibly out of memory (the last {lost.why})",
                where=printable(item.source),
                remedy="upscale it alone",
            )
            self._settle(item, error)

    def _settle(self, item: Item, answer: Answer) -> None:
        if isinstance(answer, PutOff):
            self._put_off.append(item)
        elif isinstance(answer, CancelledError):
            return  # it remains begun
        else:
            if isinstance(answer, Done):
                self._manifest.done(item, answer)
            else:
                self._manifest.failed(item, answer)
            self._settled.append((item.source, item.target, answer))

    def _drained(self) -> Iterator[Settled]:
        while self._settled:
            yield self._settled.popleft()

    def _stop(self) -> Generator[Settled, None, None]:
        """Let workers stop, note what they have finished, and raise CancelledError."""
        self._fleet.cancel()
        deadline = time.monotonic() + _STOPPING_S
        while self._fleet.ready and time.monotonic() < deadline:
            for event in self._fleet.events(_POLL_INTERVAL_S):
                if isinstance(event, Answered):
                    self._settle_all(event)
        yield from self._drained()
        raise _interrupted()


def _interrupted() -> CancelledError:
    return CancelledError(
        "interrupted", remedy=Wording("the same command with {} upscales the rest", "resume")
    )
