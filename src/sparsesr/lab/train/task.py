"""What a network learns: its data, its loss and the figures that tell how well it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sparsesr.lab.data.patches import Batch

Figures = dict[str, Tensor]
"""Values of a step for the log, without gradients; means over the steps are logged."""


class Feed(Protocol):
    """The batches of a run; they depend only on the recipe, the process and the step."""

    def at(self, step: int) -> Batch:
        """Images and targets of ``step``, on the device."""
        ...

    def close(self) -> None:
        """Stop working ahead."""
        ...


class Validation(Protocol):
    """Images that are not trained on."""

    def measure(
        self, network: nn.Module, sum_over_processes: Callable[[Tensor], Tensor] = lambda value: value
    ) -> dict[str, float]:
        """Figures of a network in evaluation."""
        ...


class Task(Protocol):
    """The task of one recipe."""

    def open_feed(
        self,
        run_folder: Path,
        part: tuple[int, int],
        device: torch.device,
        report: Callable[[str], None],
    ) -> Feed:
        """The batches of process ``part[0]`` of ``part[1]``.

        Raises:
            UsageError: the recipe does not fit the images.
            InputError, ModelError: the images, or the packed ones, are unusable.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """What users of the trained weights need to know of the opened feed; checkpoints hold it."""
        ...

    def adapted(self, network: nn.Module) -> nn.Module:
        """A fresh registered network as the recipe and the images of the opened feed want it.

        Raises:
            UsageError: it cannot be adapted.
        """
        ...

    def check(self, network: nn.Module) -> None:
        """Raise UsageError if the network does not suit the recipe, or the images of the opened feed."""
        ...

    def start_step(self, network: nn.Module, step: int) -> None:
        """Prepare the network for ``step``."""
        ...

    def loss(self, output: Tensor, target: Tensor) -> tuple[Tensor, Figures]:
        """The loss of a batch, and its figures."""
        ...

    def validation(self, network: nn.Module, part: tuple[int, int]) -> Validation | None:
        """This process's share of the validation images of the opened feed; None: there are none."""
        ...
