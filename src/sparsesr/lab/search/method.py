"""One phase of search: every step trains the architecture on one half of the images and the weights on the other.

First order, as in the public code of TrilevelNAS: no step of weights is unrolled for a step of the architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from sparsesr.errors import UsageError
from sparsesr.lab.data.patches import Batch
from sparsesr.lab.search.architecture import Mixture
from sparsesr.lab.search.cost import MixtureCost
from sparsesr.lab.search.order import ORDERS
from sparsesr.lab.search.prices import Prices
from sparsesr.lab.search.projections import radius_at
from sparsesr.lab.search.recipe import SearchRecipe
from sparsesr.lab.search.supernet import Supernet
from sparsesr.lab.train.enlarging import Enlarging
from sparsesr.lab.train.feeding import PatchFeed, open_feed, teacher_of
from sparsesr.lab.train.masks import NoMasks
from sparsesr.lab.train.method import Training
from sparsesr.lab.train.recipe import Recipe
from sparsesr.lab.train.step import Losses, Trainee, train_step
from sparsesr.lab.train.task import Task

PASSES = 3
"""Passes of the supernet in training."""


class TwoFeeds:
    """Batches of both halves of the images: those for the weights, then those for the architecture."""

    def __init__(self, weights: PatchFeed, architecture: PatchFeed) -> None:
        self._halves = weights, architecture

    def at(self, step: int) -> Any:
        """A pair of batches."""
        return tuple(half.at(step) for half in self._halves)

    def close(self) -> None:
        """Stop working ahead."""
        for half in self._halves:
            half.close()


class ArchitectureTraining(NoMasks):
    """Radius, losses and optimiser of the architecture.

    ``average`` gets the architecture of the network itself, because a mean of architectures is none of them.
    """

    def __init__(self, recipe: SearchRecipe, network: Supernet, average: Supernet, prices: Prices) -> None:
        self.recipe, self.network, self.average, self.prices = recipe, network, average, prices
        settings = recipe.search
        self.optimizer = torch.optim.Adam(
            network.architecture.parameters(), settings.learning_rate, (settings.betas[0], settings.betas[1])
        )

    @cached_property
    def cost(self) -> MixtureCost:
        """Prices on the network's device, to which a run moves it after making this object."""
        return MixtureCost(self.recipe.space, self.prices, self.network.architecture.node_logits.device)

    @cached_property
    def _largest(self) -> float:
        return self.cost.largest_network(self.network.architecture)

    @cached_property
    def _everything(self) -> float:
        return self.cost.everything(self.network.architecture)

    def start_step(self, step: int) -> None:
        """Set the radius for ``step``, counted from 1."""
        for supernet in (self.network, self.average):
            supernet.architecture.radius = radius_at(step, self.recipe.steps)

    def step(self, trainee: Trainee, step: int, batch: Batch) -> None:
        """Run a step of the architecture; weights stay as they are."""
        self.start_step(step)
        lr_B3HW, hr_B3YX = batch
        with without_gradients(self.network.weights()):
            fidelity, _ = trainee.task.loss(trainee.network(lr_B3HW).float(), hr_B3YX)
            total = fidelity + self._architecture_loss()
            self.optimizer.zero_grad(set_to_none=True)
            trainee.fabric.backward(total)
        parameters = list(self.network.architecture.parameters())
        nn.utils.clip_grad_norm_(parameters, self.recipe.gradient_clip)
        self.optimizer.step()

    def _architecture_loss(self) -> torch.Tensor:
        """Loss of the mixture of the last forward pass."""
        settings, architecture = self.recipe.search, self.network.architecture
        mixture = cast(Mixture, self.network.last_mixture)
        order = ORDERS[settings.order](architecture, mixture)
        cost = (self.cost.expected(architecture, mixture) - settings.cost_target) / self._largest
        cost = torch.abs(cost) if settings.cost_target else cost
        return settings.order_weight * order + settings.cost_weight * cost

    @torch.no_grad()
    def observe(self, step: int, image_B3HW: torch.Tensor, mean_over_processes: Any) -> None:
        """Copy the architecture into the average."""
        state = self.network.architecture.state_dict()
        self.average.architecture.load_state_dict(state)

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """Log values: radius, expected cost, nodes with a weight, and the share of the supernet that is computed."""
        architecture = self.network.architecture
        mixture = architecture.mixture()
        active = self.cost.active(mixture, architecture.extreme_widths(True))
        return {
            "radius": architecture.radius,
            self.recipe.search.objective: float(self.cost.expected(architecture, mixture)),
            "nodes": float((mixture.nodes_N > 0).sum()),
            "active_share": active / self._everything,
        }

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return self.optimizer.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`."""
        self.optimizer.load_state_dict(state)


class SearchMethod(Training):
    """Trains a supernet and its architecture."""

    def __init__(self, prices: Prices) -> None:
        self.prices = prices

    def network(self, recipe: Recipe) -> nn.Module:
        """The supernet of the recipe's space."""
        search = cast(SearchRecipe, recipe)
        return Supernet(search.space, search.scale, search.search.variant)

    def open_feed(
        self,
        task: Task,
        run_folder: Path,
        part: tuple[int, int],
        device: torch.device,
        report: Callable[[str], None],
    ) -> TwoFeeds:
        """The two halves of the images."""
        recipe = cast(Enlarging, task).recipe
        if part[1] > 1:
            raise UsageError("a search runs in one process; start it without torchrun")
        teacher = teacher_of(recipe, device)  # once for both halves
        # Both halves share one packed set, which the first reports.
        reports = report, lambda line: None
        halves = [
            open_feed(recipe, run_folder, part, device, says, (half, 2), teacher)
            for half, says in enumerate(reports)
        ]
        return TwoFeeds(*halves)

    def optimizer(self, recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of the weights alone."""
        with without_gradients(cast(Supernet, network).architecture.parameters()):
            return super().optimizer(recipe, network)

    def policy(self, recipe: Recipe, network: nn.Module, average: nn.Module) -> ArchitectureTraining:
        """Training of the architecture."""
        nets = cast(Supernet, network), cast(Supernet, average)
        return ArchitectureTraining(cast(SearchRecipe, recipe), *nets, self.prices)

    def step(self, trainee: Trainee, step: int, batch: Any) -> Losses:
        """Step the architecture on its half, then the weights on theirs. The passes' mean is minimised."""
        repeated = [(lr_B3HW, hr_B3YX.repeat(PASSES, 1, 1, 1)) for lr_B3HW, hr_B3YX in batch]
        policy = cast(ArchitectureTraining, trainee.masks)
        policy.step(trainee, step, repeated[1])
        with without_gradients(policy.network.architecture.parameters()):
            return train_step(trainee, step, repeated[0])


@contextmanager
def without_gradients(parameters: Iterable[nn.Parameter]) -> Generator[None]:
    """Exclude parameters from differentiation."""
    held = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
