"""Progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sparsesr.cli.streams import is_terminal

Report = Callable[[int, int], None]


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
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(label), total=None, rate="")

        def report(done: int, total: int) -> None:
            speed = progress.tasks[0].speed
            rate = "" if speed is None else f"{speed:.3g} {unit}/s"
            progress.update(task, completed=done, total=total, rate=rate)

        yield report
