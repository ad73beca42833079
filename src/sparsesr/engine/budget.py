"""``MemoryBudget``: working memory shared by concurrent jobs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sparsesr.errors import check_cancelled

Cancelled = Callable[[], bool]
_POLL_INTERVAL_S = 0.1


class MemoryBudget:
    """Grants parts of a total in the order of requests; a job waits until its part is free.

    A job running alone is always granted its part, even above the total: jobs only ever wait for each other.
    """

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self._changed = threading.Condition()
        self._entrance = threading.Lock()
        self._queue: deque[object] = deque()
        self._reserved = 0

    @property
    def reserved_bytes(self) -> int:
        """Granted and not yet returned."""
        return self._reserved

    @property
    def free_bytes(self) -> int:
        """The unreserved part of the total."""
        return max(self.total_bytes - self._reserved, 0)

    @contextmanager
    def reserved(self, nbytes: int, cancelled: Cancelled | None = None) -> Generator[None, None, None]:
        """Hold ``nbytes`` for the duration of the block, after waiting for them.

        Raises:
            CancelledError: ``cancelled`` returned True.
        """
        self._take(nbytes, cancelled)
        try:
            yield
        finally:
            with self._changed:
                self._reserved -= nbytes
                self._changed.notify_all()

    @contextmanager
    def entrance(self, cancelled: Cancelled | None = None) -> Generator[None, None, None]:
        """Admit one job at a time to the block, in which it uses free memory before reserving it.

        Raises:
            CancelledError: ``cancelled`` returned True.
        """
        while not self._entrance.acquire(timeout=_POLL_INTERVAL_S):
            check_cancelled(cancelled)
        try:
            yield
        finally:
            self._entrance.release()

    def _take(self, nbytes: int, cancelled: Cancelled | None) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or not self._has_room(nbytes):
                    self._changed.wait(_POLL_INTERVAL_S)
                    check_cancelled(cancelled)
                self._reserved += nbytes
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _has_room(self, nbytes: int) -> bool:
        return self._reserved == 0 or self._reserved + nbytes <= self.total_bytes
