"""``LocalFleet``: workers of this machine, processes of their own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection, wait

from sparsesr.cluster.fleet import Answered, Event, Failures, Lost
from sparsesr.cluster.items import Item, Settings
from sparsesr.cluster.layout import Machine, alone, shared
from sparsesr.errors import BackendError, SparsesrError
from sparsesr.jobs.child_process import start_child

_MODULE = "sparsesr.cluster.local_worker"
_ENDING_S = 2.0


@dataclass
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    connection: Connection
    settings: Settings
    is_ready: bool = False


class LocalFleet:
    """A :class:`~sparsesr.cluster.fleet.Fleet` of processes on this machine."""

    def __init__(self, settings: Settings, machine: Machine, memory: int | None) -> None:
        """``memory``: limit of each worker in bytes; None: a share of half of what is free."""
        self._settings, self._machine, self._memory = settings, machine, memory
        self._workers: dict[int, _Worker] = {}
        self._numbers = count()
        self._failures = Failures()
        self._is_ending = False

    @property
    def ready(self) -> Sequence[int]:
        """See :class:`Fleet`."""
        return [worker.number for worker in self._workers.values() if worker.is_ready]

    def start(self, files: int, *, is_shared: bool) -> None:
        """See :class:`Fleet`."""
        self.close()
        self._is_ending = False
        settings, machine = self._settings, self._machine
        for each in shared(settings, machine, files, self._memory) if is_shared else alone(settings, machine):
            self._start(each)

    def _start(self, settings: Settings) -> None:
        try:
            process, connection = start_child(_MODULE)
        except OSError as error:
            raise BackendError(f"no worker can be started ({error.strerror})") from None
        worker = _Worker(next(self._numbers), process, connection, settings)
        self._workers[worker.number] = worker
        _send(worker, settings)

    def give(self, worker: int, chunk: Sequence[Item]) -> None:
        """See :class:`Fleet`."""
        _send(self._workers[worker], list(chunk))

    def events(self, timeout_s: float) -> Iterable[Event]:
        """See :class:`Fleet`."""
        by_connection = {worker.connection: worker for worker in self._workers.values()}
        if not by_connection:
            if not self._is_ending:
                raise _no_worker(self._failures.error)
            return
        for connection in wait(list(by_connection), timeout_s):
            worker = by_connection[connection]  # pyright: ignore[reportArgumentType]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                yield self._lost(worker)
                continue
            if isinstance(message, SparsesrError):
                self._failures.error = message
            elif message is None:
                worker.is_ready = True
            else:
                yield Answered(worker.number, message)

    def _lost(self, worker: _Worker) -> Lost:
        """Take a worker that ended off the list, and start another one."""
        del self._workers[worker.number]
        worker.connection.close()
        status = worker.process.wait()
        self._failures.count(was_ready=worker.is_ready)
        if not (self._is_ending or self._failures.is_hopeless):
            self._start(worker.settings)
        return Lost(worker.number, f"ended with status {status}")

    def cancel(self) -> None:
        """See :class:`Fleet`."""
        self._is_ending = True
        for worker in self._workers.values():
            _send(worker, ())

    def close(self) -> None:
        """See :class:`Fleet`."""
        self._is_ending = True
        for worker in self._workers.values():
            worker.connection.close()  # lets it stop, and remove what it has begun to write
        deadline = time.monotonic() + _ENDING_S
        for worker in self._workers.values():
            try:
                worker.process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._workers.clear()


def _send(worker: _Worker, message: object) -> None:
    try:
        worker.connection.send(message)
    except OSError:
        return  # it has just ended, which events() reports


def _no_worker(reason: SparsesrError | None) -> SparsesrError:
    if reason is not None:
        return reason
    return BackendError(
        "workers end before they are ready, possibly out of memory", remedy="use fewer, or `sparsesr upscale`"
    )
