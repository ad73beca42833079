"""``Shelf``: things that clients refer to by an id that cannot be guessed, until nobody asks for them any more."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from sparsesr.serve.errors import BusyError, unknown

_ID_BYTES = 12
_RETRY_AFTER_S = 30


class Closable(Protocol):
    """Holds something that must be returned."""

    def close(self) -> None:
        """Return it."""
        ...


T = TypeVar("T", bound=Closable)


class Shelf(Generic[T]):
    """Things by id, at most so many, each with the time of its last use."""

    def __init__(self, kind: str, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``kind``: what they are, for messages."""
        self._kind, self._most, self._clock = kind, most, clock
        self._things: dict[str, T] = {}
        self._used_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._things)

    def check_room(self) -> None:
        """Raise BusyError if one more would be too many."""
        if len(self._things) >= self._most:
            raise BusyError(f"{self._most} {self._kind}s are kept already", retry_after_s=_RETRY_AFTER_S)

    def add(self, thing: T) -> str:
        """Keep a thing; return its id. Raises BusyError."""
        with self._lock:
            self.check_room()
            key = secrets.token_urlsafe(_ID_BYTES)
            self._things[key], self._used_at[key] = thing, self._clock()
            return key

    def get(self, key: str) -> T:
        """The thing, which is thereby in use. Raises UnknownIdError."""
        with self._lock:
            if key not in self._things:
                raise unknown(self._kind)
            self._used_at[key] = self._clock()
            return self._things[key]

    def remove(self, key: str) -> None:
        """Drop and close a thing. Raises UnknownIdError."""
        with self._lock:
            if key not in self._things:
                raise unknown(self._kind)
            thing = self._things.pop(key)
            del self._used_at[key]
        thing.close()

    def things(self) -> list[T]:
        """All of them; this is no use."""
        with self._lock:
            return list(self._things.values())

    def unused_for(self, seconds: float) -> list[tuple[str, T]]:
        """What nobody asked for in this time."""
        with self._lock:
            before = self._clock() - seconds
            return [(key, thing) for key, thing in self._things.items() if self._used_at[key] < before]

    def close(self) -> None:
        """Drop and close everything."""
        with self._lock:
            things = list(self._things.values())
            self._things.clear()
            self._used_at.clear()
        for thing in things:
            thing.close()
