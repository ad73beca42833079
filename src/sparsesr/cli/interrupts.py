"""Ctrl-C, SIGTERM and SIGHUP: an exception, except while an image is processed, where the first only sets a flag.

The flag is kept until the command ends, because libraries convert exceptions to others. In some places, such as the
callbacks of weak references, which imports use, Python swallows them; then the signal is repeated.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from sparsesr.errors import CancelledError

Pressed = Callable[[], bool]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.02
_received: list[int] = []


@contextmanager
def noting_interrupts() -> Generator[Pressed, None, None]:
    """Wrap a whole command. Yields a function that returns whether it was interrupted; each signal raises."""
    _received.clear()
    try:
        with _handling(raise_at=1), _repeating_swallowed():
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


def check_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal has arrived: imports may swallow it, or take it for a missing library."""
    if _received:
        raise KeyboardInterrupt


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


@contextmanager
def _repeating_swallowed() -> Generator[None, None, None]:
    """Repeat a signal, a little later, whose exception could not go anywhere."""
    before = sys.unraisablehook

    def on_unraisable(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            return before(lost)
        again = threading.Timer(_AGAIN_S, _repeat)
        again.daemon = True
        return again.start()

    sys.unraisablehook = on_unraisable
    try:
        yield
    finally:
        sys.unraisablehook = before


def _repeat() -> None:
    if _received:  # the command has not ended meanwhile
        signal.pthread_kill(threading.main_thread().ident or 0, _received.pop())


def _handled() -> list[signal.Signals]:
    """Signals that are not ignored: background processes must ignore Ctrl-C, and those of nohup SIGHUP."""
    if threading.current_thread() is not threading.main_thread():
        return []  # only the main thread can set handlers
    return [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
