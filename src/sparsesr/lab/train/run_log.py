"""Log of a run: JSON lines, the same values for TensorBoard, and progress messages with an ETA."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from sparsesr.image.destination import atomic_file, write_error

_MEMORY = 0.8


class RunLog:
    """Writes ``log.jsonl`` and ``tensorboard/`` in the run folder; entries after step ``start`` are dropped first.

    What cannot be written (a full disk) is left out, with one warning: a run is worth more than its log.

    Raises:
        InputError: the log of a run that is resumed cannot be rewritten.
    """

    def __init__(self, folder: Path, start: int, steps: int, report: Callable[[str], None]) -> None:
        self.path = folder / "log.jsonl"
        self.steps, self.report = steps, report
        self._drop_after(start)
        self._has_failed = False
        self._board: SummaryWriter | None = None
        try:
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)
        except OSError as error:
            self._warn(folder / "tensorboard", error)
        self._last = (start, time.monotonic())
        self._seconds_per_step = 0.0

    def _drop_after(self, start: int) -> None:
        if not self.path.exists():
            return
        lines = self.path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if _step_of(line) <= start]
        if kept != lines:
            with atomic_file(self.path, overwrite=True) as file:
                file.write("".join(kept).encode())

    def write(self, step: int, **values: float) -> None:
        """Log values of a step."""
        self._append(json.dumps({"step": step, **values}) + "\n")
        if self._board is None:
            return
        try:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        except OSError as error:  # of its thread, which has ended
            self._board = None
            self._warn(self.path.parent / "tensorboard", error)

    def _append(self, line: str) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("a") as file:
                file.write(line)
        except OSError as error:
            with suppress(OSError):  # no part of a line
                os.truncate(self.path, size)
            self._warn(self.path, error)

    def _warn(self, path: Path, error: OSError) -> None:
        if not self._has_failed:
            self.report(f"warning: {write_error(path, error)}; training continues with gaps in its log")
        self._has_failed = True

    def progress(self, step: int, **values: float) -> None:
        """Log values and speed, and report progress with the time left."""
        now = time.monotonic()
        recent = (now - self._last[1]) / max(step - self._last[0], 1)
        memory = _MEMORY if self._seconds_per_step else 0.0
        self._seconds_per_step = memory * self._seconds_per_step + (1 - memory) * recent
        self._last = (step, now)
        self.write(step, **values, steps_per_s=1 / max(recent, 1e-9))
        left = _duration(self._seconds_per_step * (self.steps - step))
        figures = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.report(
            f"step {step:,}/{self.steps:,}  {figures}  {1 / max(recent, 1e-9):.2f} steps/s  {left} left"
        )

    def close(self) -> None:
        """Flush and close TensorBoard."""
        if self._board is not None:
            with suppress(OSError):
                self._board.close()


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):  # a line truncated by a crash
        return float("inf")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
