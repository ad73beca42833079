"""Messages of a run, which outlives their reader."""

from __future__ import annotations

from collections.abc import Callable


class Messages:
    """Passes lines on until nobody takes them any more: a pipe that was closed, a terminal that is gone.

    An error there must not cost the steps since the last checkpoint.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self.is_lost = False

    def __call__(self, line: str) -> None:
        """Pass a line on."""
        if self.is_lost:
            return
        try:
            self._report(line)
        except OSError:
            self.is_lost = True
