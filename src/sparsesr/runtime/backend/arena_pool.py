"""Pool of run buffers, kept for reuse by later runs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Generic

from sparsesr.forked import RenewedLock
from sparsesr.limits import MEBIBYTE
from sparsesr.runtime.backend.interface import Arena, Backend, State
from sparsesr.runtime.plan.execution_plan import ExecutionPlan

KEPT_BYTES = 512 * MEBIBYTE
"""Default limit, in bytes, of the idle buffers that a pool keeps; the excess is freed."""


class ArenaPool(Generic[State]):
    """Lends each arena to one run at a time and keeps returned ones, up to a limit.

    Fresh memory costs time: at 1920x1080, SMSR takes a seventh longer in newly allocated buffers.
    """

    def __init__(self, backend: Backend[State]) -> None:
        self._backend = backend
        self._lock = RenewedLock()
        self._idle: list[Arena[State]] = []
        self._lent_bytes = 0
        self._limit = KEPT_BYTES

    @property
    def idle_bytes(self) -> int:
        """Bytes of the arenas kept for later runs."""
        with self._lock:
            return self._idle_bytes()

    def keep(self, limit: int) -> None:
        """Keep at most `limit` bytes from now on; arenas on loan count too."""
        with self._lock:
            self._limit = limit
            self._shrink()

    @contextmanager
    def lend(self, plan: ExecutionPlan) -> Generator[Arena[State], None, None]:
        """Lend an arena for this plan; it returns to the pool when the block ends, even on an error.

        Raises:
            MemoryError: not enough memory.
        """
        arena = self._take(plan)
        try:
            arena = arena or self._backend.make_arena(plan)
            yield arena
        finally:
            self._give_back(plan, arena)

    def _take(self, plan: ExecutionPlan) -> Arena[State] | None:
        """An idle arena for this plan, if there is one; counts as on loan either way."""
        with self._lock:
            for index, arena in enumerate(self._idle):
                if arena.plan == plan:  # by value: a session that dropped a plan makes an equal one
                    del self._idle[index]
                    break
            else:
                arena = None
            self._lent_bytes += plan.nbytes
            self._shrink()
            return arena

    def _give_back(self, plan: ExecutionPlan, arena: Arena[State] | None) -> None:
        with self._lock:
            self._lent_bytes -= plan.nbytes
            if arena is not None:
                self._idle.append(arena)
            self._shrink()

    def _shrink(self) -> None:
        """Drop the oldest idle arenas until the rest, with those on loan, take at most the limit."""
        while self._idle and self._idle_bytes() + self._lent_bytes > self._limit:
            self._idle.pop(0)

    def _idle_bytes(self) -> int:
        return sum(arena.plan.nbytes for arena in self._idle)
