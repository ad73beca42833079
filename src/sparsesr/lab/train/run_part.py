"""Parts of a run beside the network and its optimiser: they act in every step, and have a state."""

from __future__ import annotations

from typing import Any, Protocol


class RunPart(Protocol):
    """What masks and pruning have in common."""

    def start_step(self, step: int) -> None:
        """Prepare the network for ``step``, counted from 1."""
        ...

    def figures(self) -> dict[str, float]:
        """Values for the log."""
        ...

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`."""
        ...


class NoPart:
    """Does nothing."""

    def start_step(self, step: int) -> None:
        """Nothing to prepare."""

    def figures(self) -> dict[str, float]:
        """Nothing to log."""
        return {}

    def state(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""
