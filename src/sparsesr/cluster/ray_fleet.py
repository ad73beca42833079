"""``RayFleet``: workers on the machines of a Ray cluster, which may come and go."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from sparsesr.cluster.fleet import Answered, Event, Failures, Lost, Remark
from sparsesr.cluster.items import Item, Settings
from sparsesr.cluster.layout import Machine, alone, shared
from sparsesr.cluster.ray_cluster import Actor, Node, RayCluster, RayError, Ref
from sparsesr.cluster.survey import Survey
from sparsesr.errors import BackendError, SparsesrError

_LOOK_INTERVAL_S = 2.0
"""Between looks for machines that have come or gone."""
_PATIENCE_S = 60.0
"""Without any worker, before the batch gives up."""


@dataclass
class _Place:
    """A machine that takes part."""

    node: Node
    machine: Machine
    failures: Failures = field(default_factory=Failures)


@dataclass
class _Worker:
    number: int
    place: _Place
    settings: Settings
    actor: Actor
    opening: Ref | None
    """None once it is ready."""
    streams: deque[Ref] = field(default_factory=deque[Ref])
    """The answers to each chunk that it has, in order."""


class RayFleet:
    """A :class:`~sparsesr.cluster.fleet.Fleet` on a cluster."""

    def __init__(
        self, cluster: RayCluster, survey: Survey, settings: Settings, memory: int | None, threads: int | None
    ) -> None:
        """``survey``: knows the machines. ``memory``: of each worker. ``threads``: of all machines together."""
        self._cluster, self._survey = cluster, survey
        self._settings, self._memory, self._threads = settings, memory, threads
        self._places: dict[str, _Place] = {}
        self._workers: dict[int, _Worker] = {}
        self._numbers = count()
        self._sent: dict[tuple[int, int | None, bool], Ref] = {}
        self._files, self._is_shared = 1, True
        self._is_ending = False
        self._looked = self._last_seen = time.monotonic()

    @property
    def ready(self) -> Sequence[int]:
        """See :class:`Fleet`."""
        return [each.number for each in self._workers.values() if each.opening is None]

    def start(self, files: int, *, is_shared: bool) -> None:
        """See :class:`Fleet`."""
        self.close()
        self._is_ending = False
        self._files, self._is_shared = files, is_shared
        self._last_seen = time.monotonic()
        for node in self._survey.usable:
            self._join(node)

    def _join(self, node: Node) -> None:
        """Hire the workers of a machine, as far as the number of threads allows."""
        taken = sum(place.machine.threads for place in self._places.values())
        threads = node.threads if self._threads is None else min(node.threads, self._threads - taken)
        if threads < 1:
            return
        machine = Machine(threads, self._survey.facts(node).free_bytes)
        place = self._places[node.key] = _Place(node, machine)
        if self._is_shared:
            each_settings = shared(self._settings, machine, self._files, self._memory)
        else:
            each_settings = alone(self._settings, machine)
        for settings in each_settings:
            self._hire(place, settings)

    def _hire(self, place: _Place, settings: Settings) -> None:
        ref = self._sent_settings(settings)
        actor, opening = self._cluster.hire(place.node, ref, settings.threads)
        worker = _Worker(next(self._numbers), place, settings, actor, opening)
        self._workers[worker.number] = worker

    def _sent_settings(self, settings: Settings) -> Ref:
        key = settings.threads, settings.memory, settings.is_shared
        if key not in self._sent:
            self._sent[key] = self._cluster.put(settings)
        return self._sent[key]

    def give(self, worker: int, chunk: Sequence[Item]) -> None:
        """See :class:`Fleet`."""
        each = self._workers[worker]
        each.streams.append(self._cluster.give(each.actor, chunk))

    def events(self, timeout_s: float) -> Iterable[Event]:
        """See :class:`Fleet`."""
        if not self._is_ending and time.monotonic() - self._looked >= _LOOK_INTERVAL_S:
            self._looked = time.monotonic()
            yield from self._look()
            self._check_patience()
        awaited = {id(ref): (ref, worker) for worker in self._workers.values() for ref in _next_refs(worker)}
        if not awaited:
            time.sleep(timeout_s)
        for ref in self._cluster.wait([ref for ref, _ in awaited.values()], timeout_s):
            worker = awaited[id(ref)][1]
            try:
                yield from self._progress(worker, ref)
            except RayError as error:
                yield from self._lost(worker, f"was lost: {type(error).__name__}")

    def _progress(self, worker: _Worker, ref: Ref) -> Iterator[Event]:
        """Take in what has come from a worker. RayError if it is lost."""
        if ref is worker.opening:
            error = self._cluster.value(ref)
            if error is None:
                worker.opening = None
                return
            worker.place.failures.error = error
            yield from self._lost(worker, "could not load the model")
            return
        answers = self._cluster.next_value(ref)
        if answers is not None:
            yield Answered(worker.number, answers)
            return
        worker.streams.popleft()
        if self._is_ending and not worker.streams:
            self._dismiss(worker)

    def _lost(self, worker: _Worker, why: str) -> Iterator[Event]:
        """Take a worker off the list, and hire another one where it was."""
        self._dismiss(worker)
        place = worker.place
        place.failures.count(was_ready=worker.opening is None)
        yield Lost(worker.number, f"on {place.node.name} {why}")
        if self._is_ending:
            return
        if not place.failures.is_hopeless:
            self._hire(place, worker.settings)
        elif not any(each.place is place for each in self._workers.values()):
            yield Remark(place.node.name, place.failures.error or _hopeless())

    def _look(self) -> Iterator[Event]:
        """Notice machines that have come or gone."""
        yield from self._survey.look()
        present = {node.key: node for node in self._survey.usable}
        for key in [key for key in self._places if key not in present]:
            place = self._places.pop(key)
            yield Remark(place.node.name, "is gone; its files are done again elsewhere")
            for worker in [each for each in self._workers.values() if each.place is place]:
                self._dismiss(worker)
                yield Lost(worker.number, f"on {place.node.name} was lost with it")
        for key, node in present.items():
            if key not in self._places:
                self._join(node)

    def _check_patience(self) -> None:
        """Raise an error if no worker is left, and none has come for long."""
        if self._workers:
            self._last_seen = time.monotonic()
            return
        errors = [place.failures.error or _hopeless() for place in self._places.values()]
        if errors:
            raise errors[0]
        if time.monotonic() - self._last_seen >= _PATIENCE_S:
            raise BackendError("all machines of the cluster are gone", remedy="see `ray status`, then resume")

    def _dismiss(self, worker: _Worker) -> None:
        del self._workers[worker.number]
        self._cluster.dismiss(worker.actor)

    def cancel(self) -> None:
        """See :class:`Fleet`."""
        self._is_ending = True
        for worker in list(self._workers.values()):
            self._cluster.stop(worker.actor)
            if not worker.streams:
                self._dismiss(worker)

    def close(self) -> None:
        """See :class:`Fleet`."""
        self._is_ending = True
        for worker in list(self._workers.values()):
            self._dismiss(worker)
        self._places.clear()


def _next_refs(worker: _Worker) -> list[Ref]:
    """What is awaited from a worker next: that it is ready, or answers to its first chunk."""
    return [worker.opening] if worker.opening is not None else list(worker.streams)[:1]


def _hopeless() -> SparsesrError:
    return BackendError("its workers end before they are ready", remedy="see the logs of Ray there")
