"""``MemoryBudget``: working memory shared by concurrent jobs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sparsesr.errors import check_cancelled
from sparsesr.forked import renew_after_fork

Cancelled = Callable[[], bool]
_POLL_INTERVAL_S = 0.1


@dataclass(frozen=True)
class _Grant:
    nbytes: int
    thread: int


class MemoryBudget:
    """Grants parts of a total in the order of requests; a job waits until its part is free.

    A job running alone is always granted its part, even above the total: jobs only ever wait for each other.
    """

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._granted: dict[object, _Grant] = {}
        self._entered: int | None = None
        """The thread in the entrance."""
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """Drop what threads of the parent held or waited for: they do not exist in this process."""
        this = threading.get_ident()
        self._changed = threading.Condition()
        self._queue.clear()
        self._granted = {ticket: grant for ticket, grant in self._granted.items() if grant.thread == this}
        self._entered = this if self._entered == this else None

    @property
    def reserved_bytes(self) -> int:
        """Granted and not yet returned."""
        return sum(grant.nbytes for grant in list(self._granted.values()))

    @property
    def free_bytes(self) -> int:
        """The unreserved part of the total."""
        return max(self.total_bytes - self.reserved_bytes, 0)

    @contextmanager
    def reserved(self, nbytes: int, cancelled: Cancelled | None = None) -> Generator[None, None, None]:
        """Hold ``nbytes`` for the duration of the block, after waiting for them.

        Raises:
            CancelledError: ``cancelled`` returned True.
        """
        ticket = object()
        self._take(ticket, nbytes, cancelled)
        try:
            yield
        finally:
            with self._changed:
                self._granted.pop(ticket, None)
                self._changed.notify_all()

    @contextmanager
    def entrance(self, cancelled: Cancelled | None = None) -> Generator[None, None, None]:
        """Admit one job at a time to the block, in which it uses free memory before reserving it.

        Raises:
            CancelledError: ``cancelled`` returned True.
        """
        with self._changed:
            while self._entered is not None:
                self._changed.wait(_POLL_INTERVAL_S)
                check_cancelled(cancelled)
            self._entered = threading.get_ident()
        try:
            yield
        finally:
            with self._changed:
                self._entered = None
                self._changed.notify_all()

    def _take(self, ticket: object, nbytes: int, cancelled: Cancelled | None) -> None:
        with self._changed:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or not self._has_room(nbytes):
                    self._changed.wait(_POLL_INTERVAL_S)
                    check_cancelled(cancelled)
                self._granted[ticket] = _Grant(nbytes, threading.get_ident())
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _has_room(self, nbytes: int) -> bool:
        return not self._granted or self.reserved_bytes + nbytes <= self.total_bytes
