"""Ctrl-C handling: an exception, except while an image is processed, where the first press only sets a flag.

The flag is kept until the command ends, because Python swallows exceptions in some places, and libraries convert
them to others.
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
    """Wrap a whole command. Yields a function that returns whether Ctrl-C was pressed; each press raises."""
    global _presses
    _presses = 0
    try:
        with _handling(raise_at=1):
            yield _pressed
    finally:
        _presses = 0


@contextmanager
def interruptible(*signals: int) -> Generator[Pressed, None, None]:
    """Wrap work that polls the yielded function; only a second press raises.

    ``signals``: further signals that count as a press.
    """
    with _handling(*signals, raise_at=2):
        yield _pressed


@contextmanager
def naming_interruptions(name: str) -> Generator[None, None, None]:
    """Wrap work on one file. An interruption becomes a CancelledError that names the file."""
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
        numbers = set()  # only the main thread can set handlers
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        numbers.discard(signal.SIGINT)  # a background process must ignore Ctrl-C
    before = {number: signal.signal(number, on_interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
