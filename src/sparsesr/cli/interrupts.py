"""Ctrl-C: an exception, except while a picture is worked on, where the first press is only noted.

A press is remembered until the command ends: Python swallows exceptions in some places, and libraries turn
them into others.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from sparsesr.errors import CancelledError

Pressed = Callable[[], bool]
_presses = 0


@contextmanager
def noting_interrupts() -> Generator[Pressed, None, None]:
    """Around a whole command. Yield a function that says whether Ctrl-C was pressed; each press raises."""
    global _presses
    _presses = 0
    try:
        with _handling(raise_at=1):
            yield _pressed
    finally:
        _presses = 0


@contextmanager
def interruptible(*signals: int) -> Generator[Pressed, None, None]:
    """Around work that asks. Yield that function; only a press after the first interrupts at once.

    ``signals``: other signals that count as well.
    """
    with _handling(*signals, raise_at=2):
        yield _pressed


@contextmanager
def naming_interruptions(name: str) -> Generator[None, None, None]:
    """Around work on one file. Whatever Ctrl-C comes out as, it becomes a CancelledError that names the file."""
    try:
        yield
    except (CancelledError, KeyboardInterrupt):
        raise CancelledError("interrupted", where=name, remedy="nothing was written for it") from None


def _pressed() -> bool:
    return _presses > 0


@contextmanager
def _handling(*signals: int, raise_at: int) -> Generator[None, None, None]:
    def on_interrupt(number: int, frame: FrameType | None) -> None:
        global _presses
        _presses += 1
        if _presses >= raise_at:
            raise KeyboardInterrupt

    numbers: set[int] = {signal.SIGINT, *signals}
    if threading.current_thread() is not threading.main_thread():
        numbers = set()  # signals are the main thread's
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        numbers.discard(signal.SIGINT)  # in the background Ctrl-C is meant for others
    before = {number: signal.signal(number, on_interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
