"""What a run trains and how: ordinary training here; other procedures, such as a search, override its parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sparsesr.errors import UsageError
from sparsesr.lab.nn.registry import create
from sparsesr.lab.train.masks import MaskPolicy, mask_policy
from sparsesr.lab.train.optimisation import make_optimizer
from sparsesr.lab.train.recipe import Recipe
from sparsesr.lab.train.step import Losses, Trainee, train_step
from sparsesr.lab.train.task import Feed, Task


class Training:
    """Trains a registered network on one batch per step."""

    def network(self, recipe: Recipe) -> nn.Module:
        """The network with fresh weights; UsageError if there is none."""
        try:
            return create(recipe.network)
        except KeyError as error:
            raise UsageError(f"recipe: {error.args[0]}") from None

    def open_feed(
        self,
        task: Task,
        run_folder: Path,
        part: tuple[int, int],
        device: torch.device,
        report: Callable[[str], None],
    ) -> Feed:
        """The batches; see :meth:`sparsesr.lab.train.task.Task.open_feed`."""
        return task.open_feed(run_folder, part, device, report)

    def optimizer(self, recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of the weights."""
        return make_optimizer(recipe, network)

    def policy(self, recipe: Recipe, network: nn.Module, average: nn.Module) -> MaskPolicy:
        """What changes the network from step to step beside its optimiser."""
        return mask_policy(recipe, network, average)

    def step(self, trainee: Trainee, step: int, batch: Any) -> Losses:
        """Run a step on what the feed gave."""
        return train_step(trainee, step, batch)
