"""Keeps the buffers of runs for later runs."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Generic

from sparsesr.errors import LimitError
from sparsesr.limits import MEBIBYTE
from sparsesr.runtime.backend.interface import Arena, Backend, State
from sparsesr.runtime.plan.execution_plan import ExecutionPlan

KEPT_BYTES = 512 * MEBIBYTE
"""Buffers that a pool keeps for later runs, if nothing else is said; larger ones are given back to the system."""


class ArenaPool(Generic[State]):
    """Lends arenas to runs, each to one at a time, and keeps those that come back within a limit.

    New memory costs time: at 1920x1080 a run of SMSR takes a seventh longer in buffers that are new.
    """

    def __init__(self, backend: Backend[State]) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._idle: list[Arena[State]] = []
        self._limit = KEPT_BYTES

    @property
    def idle_bytes(self) -> int:
        """Held for later runs."""
        with self._lock:
            return self._idle_bytes()

    def keep(self, limit: int) -> None:
        """From now on, keep at most `limit` bytes; a run's own buffers count while they are lent."""
        with self._lock:
            self._limit = limit
            self._shrink(limit)

    @contextmanager
    def lend(self, plan: ExecutionPlan) -> Generator[Arena[State], None, None]:
        """An arena for this plan, given back however the block ends.

        Raises:
            LimitError: there is not enough memory.
        """
        try:
            arena = self._take(plan) or self._backend.make_arena(plan)
        except MemoryError:
            size = plan.nbytes // MEBIBYTE
            raise LimitError(f"no {size} MiB of memory for the picture; enlarge it in tiles") from None
        try:
            yield arena
        finally:
            self._give_back(arena)

    def _take(self, plan: ExecutionPlan) -> Arena[State] | None:
        with self._lock:
            for index, arena in enumerate(self._idle):
                if arena.plan == plan:  # plans that a session has forgotten are made anew
                    del self._idle[index]
                    break
            else:
                arena = None
            self._shrink(self._limit - plan.nbytes)
            return arena

    def _give_back(self, arena: Arena[State]) -> None:
        with self._lock:
            self._idle.append(arena)
            self._shrink(self._limit)

    def _shrink(self, limit: int) -> None:
        """Drop the oldest arenas until the idle ones take no more than `limit` bytes."""
        while self._idle and self._idle_bytes() > limit:
            self._idle.pop(0)

    def _idle_bytes(self) -> int:
        return sum(arena.plan.nbytes for arena in self._idle)
