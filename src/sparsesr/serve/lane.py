"""``Lane``: a thread that does one task after another; a bounded number of them waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal

from sparsesr.errors import CancelledError, LimitError, SparsesrError, unexpected
from sparsesr.serve.errors import BusyError, SlowError

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Clock = Callable[[], float]
_FIRST_GUESS_S, _LONGEST_WAIT_S = 1.0, 60
_MEMORY = LimitError("not enough memory", remedy="shrink the image, or come again later")


class Task:
    """A piece of work that can be cancelled at any time."""

    def __init__(self, work: Callable[[Task], Any], timeout_s: float, clock: Clock = time.monotonic) -> None:
        """``work`` gets the task and asks :attr:`should_stop` often."""
        self._work, self._timeout_s, self._clock = work, timeout_s, clock
        self._is_cancelled = False
        self.state: State = "waiting"
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.outcome: Future[Any] = Future()
        """The result of the work, or a SparsesrError."""

    def cancel(self) -> None:
        """Ask the work to stop; if it has not begun, it never will."""
        self._is_cancelled = True

    @property
    def is_over(self) -> bool:
        """True once nothing changes any more."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def running_s(self) -> float:
        """Seconds from the beginning of the work to its end, or to now; 0 before."""
        if self.started_at is None:
            return 0.0
        return (self._clock() if self.ended_at is None else self.ended_at) - self.started_at

    def should_stop(self) -> bool:
        """True if the work is cancelled, or has taken too long."""
        return self._is_cancelled or self.running_s > self._timeout_s

    def run(self) -> None:
        """Do the work, whatever comes of it."""
        if self._is_cancelled:
            self.drop()
            return
        self.state, self.started_at = "running", self._clock()
        try:
            result = self._work(self)
        except SparsesrError as error:
            self._fail(self._too_slow() if isinstance(error, CancelledError) else error)
        except MemoryError:
            self._fail(_MEMORY)
        except Exception as error:
            self._fail(unexpected(error))
        else:
            self.state, self.ended_at = "done", self._clock()
            self.outcome.set_result(result)

    def drop(self) -> None:
        """End without having begun."""
        self.state = "cancelled"
        self.outcome.set_exception(CancelledError("cancelled"))

    def drop_outcome(self) -> None:
        """Close the result, if it can be closed, as soon as there is one."""
        self.outcome.add_done_callback(_closed)

    def _too_slow(self) -> SparsesrError:
        return SlowError(f"took longer than the limit of {self._timeout_s:g} s", remedy="shrink the image")

    def _fail(self, error: SparsesrError) -> None:
        """End with an error; after a cancellation it is only a consequence of that."""
        self.state, self.ended_at = "cancelled" if self._is_cancelled else "failed", self._clock()
        self.outcome.set_exception(CancelledError("cancelled") if self._is_cancelled else error)


def _closed(outcome: Future[Any]) -> None:
    close = None if outcome.exception() is not None else getattr(outcome.result(), "close", None)
    if close is not None:
        close()


class Lane:
    """Tasks in the order of their arrival, one at a time."""

    def __init__(self, name: str, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: deque[Task] = deque()
        self._running: Task | None = None
        self._is_closed = False
        self._usual_s = _FIRST_GUESS_S
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Tasks that have not begun."""
        return len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """True while a task runs."""
        return self._running is not None

    def check_room(self) -> None:
        """Raise BusyError if one more task would be refused."""
        if len(self._waiting) >= self._most_waiting:
            wait_s = min(max(round(self._usual_s * self._most_waiting / 2), 1), _LONGEST_WAIT_S)
            raise BusyError(f"{self._most_waiting} images are waiting already", retry_after_s=wait_s)

    def submit(self, task: Task) -> None:
        """Add a task to the end. Raises BusyError if too many wait."""
        with self._changed:
            self.check_room()
            if self._is_closed:
                task.drop()
                return
            self._waiting.append(task)
            self._changed.notify()

    def place_of(self, task: Task) -> int:
        """Number of tasks before this one, the running one included; 0 if it is not waiting."""
        with self._changed:
            before = int(self._running is not None)
            return before + self._waiting.index(task) if task in self._waiting else 0

    def cancel(self, task: Task) -> None:
        """Cancel a task; one that waits leaves the queue at once."""
        task.cancel()
        with self._changed:
            if task not in self._waiting:
                return
            self._waiting.remove(task)
        task.drop()

    def close(self) -> None:
        """Cancel everything and end the thread."""
        with self._changed:
            self._is_closed = True
            dropped = list(self._waiting)
            self._waiting.clear()
            if self._running is not None:
                self._running.cancel()
            self._changed.notify()
        for task in dropped:
            task.drop()
        self._thread.join()

    def _serve(self) -> None:
        while (task := self._next()) is not None:
            task.run()
            with self._changed:
                self._running = None
            self._usual_s = 0.8 * self._usual_s + 0.2 * task.running_s

    def _next(self) -> Task | None:
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return None
            self._running = self._waiting.popleft()
            return self._running
