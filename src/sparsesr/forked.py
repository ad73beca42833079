"""Renewal of locks in a forked child, where the threads that held them do not exist."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Renewable(Protocol):
    """An object whose locks other threads may hold while this one forks."""

    def renew_after_fork(self) -> None:
        """Called in the child, where only the calling thread exists."""
        ...


_renewables: weakref.WeakSet[Renewable] = weakref.WeakSet()


def renew_after_fork(renewable: Renewable) -> None:
    """Call the object's method of this name in every forked child, as long as it exists."""
    _renewables.add(renewable)


class RenewedLock:
    """A lock that is free in a forked child, even if a thread of the parent held it at that moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """Replace the lock, whose holder does not exist here."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _renew_all() -> None:
    for renewable in list(_renewables):
        renewable.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
