"""``Ahead``: items that a thread makes in advance, so that decoding and encoding overlap with enlarging."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_S = 0.1


class _End:
    """The last item of the queue, with the exception that ended the work, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Items of a generator, at most ``depth`` of them waiting; an exception in it is raised where it is consumed.

    A context: leaving it stops the thread and closes the generator.
    """

    def __init__(self, source: Generator[T, None, None], depth: int) -> None:
        self._source = source
        self._items: queue.Queue[T | _End] = queue.Queue(depth)
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Ahead[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopped.set()
        self._thread.join()

    def __iter__(self) -> Generator[T, None, None]:
        while True:
            item = self._items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._source:
                if not self._put(item):
                    break
        except BaseException as raised:
            error = raised
        finally:
            self._source.close()
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        """Wait for room; False if nobody wants the item any more."""
        while not self._is_stopped.is_set():
            try:
                self._items.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
