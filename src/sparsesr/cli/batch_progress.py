"""Progress of a whole batch: a bar on a terminal, a line from time to time in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sparsesr.cli import messages
from sparsesr.cli.progress import duration, progress_bar
from sparsesr.cli.streams import is_terminal
from sparsesr.cli.upscale_report import Job

_LINE_INTERVAL_S = 30.0


@contextmanager
def batch_progress(count: int, job: Job) -> Generator[Callable[[], None], None, None]:
    """Yield a function to call after each of ``count`` files."""
    # A bar would break lines of JSON on the same terminal.
    is_silent = job.quiet or (job.as_json and is_terminal(sys.stdout))
    with progress_bar(f"{count} images", quiet=is_silent) as bar:
        lines = _Lines(count, is_silent=is_silent or job.as_json or bar is not None)

        def advance() -> None:
            lines.advance()
            if bar is not None:
                bar(lines.done, count)

        yield advance


class _Lines:
    """Lines with the time left, by the mean time of a file so far."""

    def __init__(self, count: int, *, is_silent: bool) -> None:
        self._count, self._is_silent = count, is_silent
        self.done = 0
        self._start = self._printed = time.monotonic()

    def advance(self) -> None:
        """Count a file."""
        self.done += 1
        now = time.monotonic()
        if self._is_silent or now - self._printed < _LINE_INTERVAL_S:
            return
        self._printed = now
        left = (now - self._start) / self.done * (self._count - self.done)
        messages.say(f"{self.done} of {self._count} images, about {duration(left)} left", to_stderr=True)
