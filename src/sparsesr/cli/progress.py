"""The progress bar on a terminal, and the flag that Ctrl-C raises."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

Report = Callable[[int, int], None]


@contextmanager
def progress_bar(label: str, *, quiet: bool) -> Generator[Report | None, None, None]:
    """Yield a function to be told (done, in all); None where nobody would see a bar."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(label), total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


@contextmanager
def interruptible(*signals: int) -> Generator[Callable[[], bool], None, None]:
    """Yield a function that says whether Ctrl-C was pressed; a second press interrupts at once.

    ``signals``: other signals that count as well.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = {number: signal.signal(number, on_interrupt) for number in {signal.SIGINT, *signals}}
    try:
        yield pressed.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
