"""Progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sparsesr.cli.streams import is_terminal

Report = Callable[[int, int], None]
_MINUTES_S, _HOURS_S = 90.0, 2 * 3600.0


def duration(seconds: float) -> str:
    """A time in words: seconds, minutes or hours."""
    if seconds >= _HOURS_S:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= _MINUTES_S else f"{seconds:.0f} seconds"


@contextmanager
def progress_bar(label: str, *, quiet: bool, unit: str = "") -> Generator[Report | None, None, None]:
    """Yield a function to call with (done, total), or None if no bar would be visible.

    With a ``unit``, such as frames, the bar shows its number and how many are done in a second.
    """
    if quiet or not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    count = "{task.completed}/{task.total} " + unit if unit else ""
    rate = "{task.fields[rate]}" if unit else ""
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), TextColumn(count), TextColumn(rate)),
        TimeRemainingColumn(),
    )
    # Lines that are printed meanwhile appear above the bar, unless they go to a file.
    console, is_shown = Console(stderr=True), is_terminal(sys.stdout)
    with Progress(*columns, console=console, transient=True, redirect_stdout=is_shown) as progress:
        task = progress.add_task(escape(label), total=None, rate="")

        def report(done: int, total: int) -> None:
            speed = progress.tasks[0].speed
            rate = "" if speed is None else f"{speed:.3g} {unit}/s"
            progress.update(task, completed=done, total=total, rate=rate)

        yield report
