"""``Pacing``: who decides how much each file of a batch may cost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import SparsesrError
from sparsesr.jobs.files import FileResult

Attempt = FileResult | SparsesrError
"""A result, or why there is none."""


class Pacing(Protocol):
    """Divides something limited, such as time, among the files of a batch."""

    @property
    def spent(self) -> float:
        """What has been spent so far."""
        ...

    def resume(self, spent: float) -> None:
        """Count what an interrupted batch had spent."""
        ...

    def expect(self, upscaler: Upscaler, sources: Iterable[Path]) -> None:
        """Plan for these files, in addition to those already expected."""
        ...

    def options(self, source: Path, options: RunOptions) -> RunOptions:
        """The options with which a file shall be upscaled now."""
        ...

    def settle(self, source: Path, attempt: Attempt) -> Attempt:
        """Take the outcome for a file into account; returns it with a report."""
        ...
