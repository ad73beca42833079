"""``Fleet``: workers that come and go, and the events that they cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sparsesr.cluster.items import Item, Timed
from sparsesr.errors import SparsesrError


@dataclass(frozen=True)
class Answered:
    """A worker has answered its next files, in the order in which it got them."""

    worker: int
    answers: Sequence[Timed]


@dataclass(frozen=True)
class Lost:
    """A worker died; its files are to be done again. Another one takes its place if it can."""

    worker: int
    why: str


@dataclass(frozen=True)
class Remark:
    """Something that the user should know about a machine."""

    machine: str
    what: str | SparsesrError
    """One sentence without its subject, the machine; or why it takes no part."""


Event = Answered | Lost | Remark


class Fleet(Protocol):
    """Workers on one or more machines."""

    @property
    def ready(self) -> Sequence[int]:
        """Workers that can be given files; numbers are never used twice."""
        ...

    def start(self, files: int, *, is_shared: bool) -> None:
        """Start workers for so many files: several for each machine, or with all its memory and threads, one.

        Raises:
            BackendError: there can be none.
        """
        ...

    def give(self, worker: int, chunk: Sequence[Item]) -> None:
        """Give a worker files. One that is lost is reported by :meth:`events`."""
        ...

    def events(self, timeout_s: float) -> Iterable[Event]:
        """What has happened; waits for the first event, but not longer than this.

        Raises:
            BackendError: workers cannot be started any more, and none is left.
        """
        ...

    def cancel(self) -> None:
        """Let the workers stop soon, without finishing their files; they answer what they have done, and end."""
        ...

    def close(self) -> None:
        """End all workers at once."""
        ...


class Failures:
    """Counts workers that end before they are ready, to tell a machine that cannot run any."""

    MOST = 3

    def __init__(self) -> None:
        self._in_sequence = 0
        self.error: SparsesrError | None = None
        """Why the last one could not start, if it said so."""

    @property
    def is_hopeless(self) -> bool:
        """True after several in sequence, or after one that gave a reason."""
        return self._in_sequence >= self.MOST or self.error is not None

    def count(self, *, was_ready: bool) -> None:
        """Note a worker that has ended."""
        self._in_sequence = 0 if was_ready else self._in_sequence + 1
