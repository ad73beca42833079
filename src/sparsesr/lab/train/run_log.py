"""Log of a run: JSON lines, the same values for TensorBoard, and progress messages with an ETA."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

_MEMORY = 0.8


class RunLog:
    """Writes ``log.jsonl`` and ``tensorboard/`` in the run folder; entries after step ``start`` are dropped first."""

    def __init__(self, folder: Path, start: int, steps: int, report: Callable[[str], None]) -> None:
        self.path = folder / "log.jsonl"
        self.steps, self.report = steps, report
        self._drop_after(start)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)
        self._last = (start, time.monotonic())
        self._seconds_per_step = 0.0

    def _drop_after(self, start: int) -> None:
        if not self.path.exists():
            return
        lines = self.path.read_text().splitlines(keepends=True)
        self.path.write_text("".join(line for line in lines if _step_of(line) <= start))

    def write(self, step: int, **values: float) -> None:
        """Log values of a step."""
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

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
        self._board.close()


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):  # a line truncated by a crash
        return float("inf")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
