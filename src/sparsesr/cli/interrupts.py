"""Ctrl-C, SIGTERM and SIGHUP: an exception, except while an image is processed, where the first only sets a flag.

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
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received: list[int] = []


@contextmanager
def noting_interrupts() -> Generator[Pressed, None, None]:
    """Wrap a whole command. Yields a function that returns whether it was interrupted; each signal raises."""
    _received.clear()
    try:
        with _handling(raise_at=1):
            yield _pressed
    finally:
        _received.clear()


@contextmanager
def interruptible() -> Generator[Pressed, None, None]:
    """Wrap work that polls the yielded function; only a second signal raises."""
    with _handling(raise_at=2):
        yield _pressed


@contextmanager
def naming_interruptions(name: str) -> Generator[None, None, None]:
    """Wrap work on one file. An interruption becomes a CancelledError that names the file."""
    try:
        yield
    except (CancelledError, KeyboardInterrupt):
        raise CancelledError("interrupted", where=name, remedy="nothing was written for it") from None


def exit_status(status: int) -> int:
    """The status of an interrupted command by the convention of shells, 128 + signal; others are not changed."""
    return 128 + _received[0] if _received and status == CancelledError.exit_status else status


def _pressed() -> bool:
    return bool(_received)


@contextmanager
def _handling(raise_at: int) -> Generator[None, None, None]:
    def on_signal(number: int, frame: FrameType | None) -> None:
        _received.append(number)
        if len(_received) >= raise_at:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in _handled()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handled() -> list[signal.Signals]:
    """Signals that are not ignored: background processes must ignore Ctrl-C, and those of nohup SIGHUP."""
    if threading.current_thread() is not threading.main_thread():
        return []  # only the main thread can set handlers
    return [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
