"""Means of a task's figures between two lines of the log."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sparsesr.lab.train.task import Figures


class RunningMeans:
    """Sums figures on their device, so that no step waits for it."""

    def __init__(self) -> None:
        self._sums: Figures = {}
        self._count = 0

    def add(self, figures: Figures) -> None:
        """Add those of a step."""
        for name, value in figures.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1

    def take(self, mean_over_processes: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Means over steps and processes since the last call."""
        means = {name: mean_over_processes(total / self._count).item() for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means
