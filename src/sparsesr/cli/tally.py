"""Counts of the images of a call, and its exit status."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.errors import CancelledError, SparsesrError
from sparsesr.jobs.batch import Skipped

_SOME_FAILED = 3


@dataclass
class Tally:
    """Counts of a batch, and its exit status."""

    count: int
    """Files and faulty arguments."""
    done: int = 0
    skipped: int = 0
    failed: int = 0
    _status: int = 0
    was_cancelled: bool = False

    def add(self, outcome: object) -> None:
        """Count the outcome of a file: an error, :class:`Skipped`, or a result of whatever kind."""
        if isinstance(outcome, Skipped):
            self.skipped += 1
        elif isinstance(outcome, CancelledError):
            self.was_cancelled = True
        elif not isinstance(outcome, SparsesrError):
            self.done += 1
        else:
            self.failed += 1
            # The common status of all errors, or "some inputs failed" if they differ.
            status = outcome.exit_status
            self._status = status if self._status in (0, status) else _SOME_FAILED

    @property
    def exit_status(self) -> int:
        """The exit status of the whole batch."""
        if self.was_cancelled:
            return CancelledError.exit_status
        return _SOME_FAILED if self.failed and (self.done or self.skipped) else self._status
