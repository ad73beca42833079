"""``MemoryBudget``: working memory that concurrent jobs share."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sparsesr.errors import check_cancelled

Cancelled = Callable[[], bool]
_ASK_EVERY_S = 0.1


class MemoryBudget:
    """Grants parts of a total in the order of the requests; a job waits until its part is free.

    A job that is alone is always granted its part, so that jobs wait for each other only.
    """

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self._changed = threading.Condition()
        self._entrance = threading.Lock()
        self._queue: deque[object] = deque()
        self._reserved = 0

    @property
    def reserved_bytes(self) -> int:
        """Granted and not given back yet."""
        return self._reserved

    @property
    def free_bytes(self) -> int:
        """What is left of the total."""
        return max(self.total_bytes - self._reserved, 0)

    @contextmanager
    def reserved(self, nbytes: int, cancelled: Cancelled | None = None) -> Generator[None, None, None]:
        """Hold ``nbytes`` in the block; waits for them first.

        Raises:
            CancelledError: ``cancelled`` said so.
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
        """Only one job at a time is in such a block: there it uses free memory that it has not reserved yet.

        Raises:
            CancelledError: ``cancelled`` said so.
        """
        while not self._entrance.acquire(timeout=_ASK_EVERY_S):
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
                    self._changed.wait(_ASK_EVERY_S)
                    check_cancelled(cancelled)
                self._reserved += nbytes
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _has_room(self, nbytes: int) -> bool:
        return self._reserved == 0 or self._reserved + nbytes <= self.total_bytes
